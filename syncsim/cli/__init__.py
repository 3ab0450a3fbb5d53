"""The command line; the only package that imports typer and rich."""

from __future__ import annotations

from syncsim.cli.application import app
from syncsim.cli.entry import main

__all__ = ["app", "main"]
