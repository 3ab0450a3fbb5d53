"""One actor's part of a scenario is performed, and held against what the scenario expects."""
