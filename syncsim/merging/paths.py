"""Which pointers lie above, at or below which others, for sets of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate


def way(path: str) -> list[str]:
    """The pointers from the root to this one, which is the last."""
    return list(accumulate(path.split("/"), lambda at, part: f"{at}/{part}"))


def above(paths: Iterable[str]) -> set[str]:
    """These pointers and all that lie on the way to them."""
    return {at for path in paths for at in way(path)}
