"""Examine a solution: play every probe, look for hangs and leaks, collect the findings."""
