"""The three-way merge, and the differences that it is made of.

`documents` is the merge of whole documents; content is merged in `three_way`, with `alignment` and
`ordering` for lists; `moves` follows elements that change their list, `invariants` keeps a template
valid, `crediting` says whose value was overridden, `display` lays changes out as rows.
"""

from __future__ import annotations

from syncsim.merging.documents import (
    TEMPLATE_KEYS,
    Change,
    Merge,
    changed_paths,
    diff,
    merge,
    overlay,
    same,
)

__all__ = [
    "TEMPLATE_KEYS",
    "Change",
    "Merge",
    "changed_paths",
    "diff",
    "merge",
    "overlay",
    "same",
]
