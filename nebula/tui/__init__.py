"""The dashboard: a front like the command line, over the same façade."""
