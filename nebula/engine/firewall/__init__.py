"""Security groups: what their rules say, which cards have them, and when hosts are to be told anew."""
