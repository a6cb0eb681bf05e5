"""What the scripts for working on Nebula share: packages, the environment, phases with a limit on their time."""
