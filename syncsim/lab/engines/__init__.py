"""Scenarios and loads are run: on threads, on processes, simulated."""
