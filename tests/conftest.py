"""Settings of every test: Hypothesis without chance or deadlines, so a red run can be repeated."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")
