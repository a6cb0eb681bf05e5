"""Counters of hosts."""
