"""Runs of which every interleaving, delay and fault is a draw, and which can be had again."""
