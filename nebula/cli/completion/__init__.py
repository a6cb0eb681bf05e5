"""Completion of commands, options and live names."""
