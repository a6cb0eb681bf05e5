"""Scheduled actions: verbs that VMs get at a moment, once or repeatedly."""
