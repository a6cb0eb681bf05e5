"""What was measured: rates of the last minutes in memory, roll-ups of the last months in the database."""
