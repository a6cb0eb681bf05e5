"""How the engine learns what is: samples, events, and what they mean for hosts and VMs."""
