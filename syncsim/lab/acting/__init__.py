"""Perform one actor's part of a scenario, and compare it with what the scenario expects."""
