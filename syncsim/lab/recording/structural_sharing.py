"""Equal parts of documents kept once: two versions of a template differ in a leaf or two.

So a long history weighs what was changed and not the template times the commits, and the judges see
at a glance what a commit left alone.
"""

from __future__ import annotations

from typing import Any

from syncsim.contract import JSON
from syncsim.lab.history.expected_state import same


def sharing(before: JSON, after: JSON) -> JSON:
    """`after`, with the objects of `before` wherever the two are the same; neither is changed."""
    if same(before, after):
        return before
    if isinstance(before, dict) and isinstance(after, dict):
        return {
            key: sharing(before[key], value) if key in before else value
            for key, value in after.items()
        }
    if isinstance(before, list) and isinstance(after, list):
        known = {_name(element): element for element in before}
        return [sharing(known.get(_name(element)), element) for element in after]
    return after


def _name(element: JSON) -> Any:
    """What tells an element of a list from its neighbours."""
    if isinstance(element, dict):
        name = element.get("id", element.get("value"))
        return name if isinstance(name, str) else None
    return element if isinstance(element, str | int | float) else None
