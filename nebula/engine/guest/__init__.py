"""What is done inside a running guest, through its own agent, and what it shows."""
