"""The one place that picks real parts: `connect`, the connection, clock, chance and locks."""
