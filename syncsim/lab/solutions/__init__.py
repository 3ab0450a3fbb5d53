"""The programs that are examined: the textbook, broken and correct ones, and how one is loaded."""
