"""Nebula: a cluster manager for virtual machines on KVM hosts, in one file."""

__version__ = "0.1.0"
