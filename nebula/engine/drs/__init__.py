"""The Distributed Resource Scheduler: which running VMs should move, where and in which order; pure functions."""
