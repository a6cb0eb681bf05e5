"""The command line: one declared table of commands drives parsing, help and completion."""
