"""`python -m syncsim` is the `syncsim` command."""

from syncsim.cli import main

main()
