"""From a bare Debian to a running virtual machine, with dist/nebula only."""
