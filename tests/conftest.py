"""Settings of every test: Hypothesis without chance or deadlines, so a red run can be repeated."""

from importlib.util import find_spec

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")

# The default run deselects the browser tests; where their tool is missing, it need not import them.
collect_ignore = [] if find_spec("playwright") else ["browser"]


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "browser" and collect_ignore:
        raise pytest.UsageError("-m browser needs the browser extra: pip install -e '.[browser]'")
