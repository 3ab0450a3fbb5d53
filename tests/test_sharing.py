"""Documents that share what they have in common, and are what they were."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from syncsim.lab.recording.history_builder import assemble
from syncsim.lab.recording.structural_sharing import sharing
from syncsim.store.memory import MemoryStore
from syncsim.template.samples import sample
from tests.parts import ManualClock


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, True),
        ([1], [True]),
        ([1, 2, 2], [2, 1.0, 1]),
        ({"a": None}, {}),
        ({}, {"a": None}),
        ({"a": [{"id": "x"}]}, {"a": [{"id": "x", "b": 1}, {"id": 3}, {"value": "x"}, None, []]}),
        ([{"id": "x"}, {"id": "x", "n": 1}], [{"id": "x"}]),
        ([{"id": ["no", "name"]}], [{"id": ["no", "name"]}, {"id": {}}]),
        (None, {"a": 1}),
        ({"a": 1}, None),
    ],
)
def test_what_shares_is_what_it_was_and_nothing_is_changed(before: Any, after: Any) -> None:
    kept = copy.deepcopy((before, after))
    shared = sharing(before, after)
    assert orjson.dumps(shared) == orjson.dumps(after)
    assert orjson.dumps([before, after]) == orjson.dumps(list(kept))


def test_a_version_with_one_label_changed_shares_all_the_rest() -> None:
    before = sample("event_registration")
    after = copy.deepcopy(before)
    after["fields"][1]["label"] = "Other"
    after["fields"].insert(0, {"id": "new"})
    shared = sharing(before, after)
    assert shared == after
    assert shared["sections"] is before["sections"]
    assert shared["fields"][1] is before["fields"][0]
    assert all(a is b for a, b in zip(shared["fields"][3:], before["fields"][2:], strict=True))


def test_the_commits_of_a_history_share_what_no_commit_touched() -> None:
    store = MemoryStore(clock=ManualClock())
    document = sample("event_registration")
    store.create("t", document, by="background")
    for number in range(3):
        store.put("t", {**document, "name": f"N{number}"}, by="ann")
    history = assemble([], {"t": store.history("t")}, [])
    first, *others = (commit.document for commit in history.commits)
    assert [other["name"] for other in others] == ["N0", "N1", "N2"]
    assert all(other["fields"] is first["fields"] for other in others)
