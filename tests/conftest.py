"""What every test has: Hypothesis without chance or deadlines, and a store in a file to try."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from syncsim.store.sqlite import SQLiteStore
from tests.store_parts import ID, document, opened

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where `store` is."""
    return f"sqlite:///{tmp_path}/store.db?synchronous=NORMAL"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database file of `store`."""
    return tmp_path / "store.db"


@pytest.fixture
def store(url: str) -> Iterator[SQLiteStore]:
    """A store in a file, with one template."""
    store = opened(url)
    store.create(ID, document(), by="ann")
    yield store
    store.close()
