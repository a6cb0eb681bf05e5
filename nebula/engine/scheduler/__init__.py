"""Where VMs go: pure functions over one immutable snapshot; no I/O, no clock, no randomness."""
