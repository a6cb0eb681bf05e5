"""Values that travel between the engine and its drivers: typed, frozen, without behaviour that touches anything."""
