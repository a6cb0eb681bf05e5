"""How bytes, commands and files reach a host: ssh, the local machine, or the simulator. Knows nothing of what they mean."""
