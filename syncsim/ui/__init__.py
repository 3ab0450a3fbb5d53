"""Faces for notebooks: pure charts, and a small panel of buttons; needs the `viz` extra."""
