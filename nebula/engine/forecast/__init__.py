"""What VMs and hosts will use: the coming hour, the coming month. Arrays in, arrays out; numpy is loaded here only."""
