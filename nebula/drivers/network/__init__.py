"""Virtual networks on hosts."""
