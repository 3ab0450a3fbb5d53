"""Solutions that differ and are right; none may lose anything."""
