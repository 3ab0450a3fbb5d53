"""What a run leaves behind, as values: records of operations and commits, findings, failures."""
