"""Solutions that differ and are right; `nothing` in a first line: it must lose no code."""
