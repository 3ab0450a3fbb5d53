"""The command line; the only room that knows typer and rich."""

from __future__ import annotations

from syncsim.cli.commands import app, main

__all__ = ["app", "main"]
