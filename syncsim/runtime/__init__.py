"""Connect to real parts: `connect`, the connection, clock, chance and locks."""
