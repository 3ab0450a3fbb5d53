"""What a run comes to: figures, notes, the `Run` that is returned, and its file."""
