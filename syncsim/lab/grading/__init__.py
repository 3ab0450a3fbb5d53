"""A solution is examined: every probe, hang and leak, and what each shows."""
