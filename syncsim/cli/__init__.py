"""The command line; the only room that knows typer and rich."""

from __future__ import annotations

from syncsim.cli.application import app
from syncsim.cli.entry import main

__all__ = ["app", "main"]
