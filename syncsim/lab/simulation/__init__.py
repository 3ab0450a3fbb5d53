"""Simulated runs draw every interleaving, delay and fault, and can be replayed."""
