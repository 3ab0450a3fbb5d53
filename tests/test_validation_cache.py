"""What is known to be valid is known at a glance, shared between versions, never half-checked."""

from __future__ import annotations

import copy
import tracemalloc
from typing import Any

import orjson
import pytest

from syncsim.errors import InvalidTemplateError
from syncsim.template import encode, validate, validation_cache, view
from syncsim.template.frozen import FrozenDict, FrozenList, freeze, thaw
from syncsim.template.samples import generate
from tests.template_examples import changed, good, refusal


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    """What other tests made known is forgotten, as when the memories were full."""
    memories: list[Any] = [validation_cache._LISTS, validation_cache._VIEWS]
    memories += [
        judge._known
        for judge in (
            *validation_cache._PARTS.values(),
            validation_cache._FIELDS,
            validation_cache._SECTIONS,
        )
        if isinstance(judge, validation_cache.CachingValidator)
    ]
    for memory in memories:
        memory.clear()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The values whose rules are looked at from here on."""
    seen: list[Any] = []
    judged = validation_cache.Validator._judged

    def counted(self: validation_cache.Validator, value: Any) -> Any:
        seen.append(value)
        return judged(self, value)

    monkeypatch.setattr(validation_cache.Validator, "_judged", counted)
    return seen


def test_a_validated_document_is_the_same_read_only_and_encoded_for_nothing(
    checked: list[Any],
) -> None:
    document = good()
    valid = validate(document)
    assert valid == document
    assert type(valid) is FrozenDict
    checked.clear()
    assert encode(valid) == encode(document) == orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    assert validate(valid) is valid
    assert checked == []


def test_two_versions_share_what_is_the_same_in_both() -> None:
    """Also where one of them came in plain dicts, and its keys stand in another order."""
    first = validate(good())
    mine = copy.deepcopy(good())
    mine["fields"] = [dict(reversed(field.items())) for field in mine["fields"]]
    mine["fields"][3]["label"] = "Another share"
    second = validate({**first, "fields": mine["fields"]})
    for name in ("sections", "settings", "metadata"):
        assert second[name] is first[name]
    shared = [new is old for new, old in zip(second["fields"], first["fields"], strict=True)]
    assert shared == [number != 3 for number in range(len(shared))]


def test_only_what_is_new_is_looked_at(checked: list[Any]) -> None:
    base = view(encode(good()))
    fields = thaw(base["fields"])
    fields[3]["label"] = "Never seen before"
    checked.clear()
    validate({**base, "fields": fields})
    assert checked == [fields[3]]


def test_a_view_is_one_object_for_all_who_ask() -> None:
    body = encode(good())
    assert view(body) is view(bytes(memoryview(body)))
    assert view(body) == good()


def test_a_view_shows_what_the_store_holds_even_if_no_rule_allows_it() -> None:
    """A store may hold what an older version of the rules let in."""
    held = {**good(), "name": ""}
    shown = view(orjson.dumps(held, option=orjson.OPT_SORT_KEYS))
    assert shown == held
    with pytest.raises(TypeError, match="read-only view"):
        shown["name"] = "x"
    assert refusal(shown).path == "/name"


def test_frozen_is_not_proven() -> None:
    """What anybody froze, or unpickled, is looked at like any other value."""
    assert refusal(freeze(changed("/fields/title/label", ""))).path == "/fields/title/label"
    assert encode(freeze(good())) == encode(good())


def test_a_proof_holds_only_in_the_place_it_was_given_for() -> None:
    valid = validate(good())
    assert refusal({**valid, "settings": valid["fields"][0]}).path.startswith("/settings")
    assert refusal({**valid, "sections": valid["fields"]}).path.startswith("/sections")
    assert refusal({**valid, "metadata": valid}).path.startswith("/metadata")


def test_fields_known_beside_other_sections_are_matched_with_these() -> None:
    valid = validate(good())
    fewer = [section for section in valid["sections"] if section["id"] != "extra"]
    error = refusal({**valid, "sections": fewer})
    assert error.path == "/fields/hint/section"
    twice = [*valid["fields"], valid["fields"][0]]
    assert refusal({**valid, "fields": twice}).path == "/fields/title/id"


def test_the_parts_of_a_validated_document_cannot_be_changed() -> None:
    valid = validate(good())
    pending: list[Any] = [valid]
    while pending:
        value = pending.pop()
        assert type(value) not in (dict, list)
        if type(value) is FrozenDict:
            pending += value.values()
        elif type(value) is FrozenList:
            pending += value


def test_a_refused_document_leaves_nothing_behind_that_vouches_for_it() -> None:
    for _ in range(2):
        with pytest.raises(InvalidTemplateError):
            validate({**validate(good()), "name": " "})


def test_the_memories_hold_no_more_than_what_they_count() -> None:
    """orjson takes 4 KiB for each of its answers; a memory of thousands must not keep that."""
    memo = validation_cache.CachingValidator(validation_cache.FIELDS.element)
    fields = generate(200, 5)["fields"]
    memo.recall(fields[0])
    tracemalloc.start()
    for field in fields:
        memo.recall(field)
    weight, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert weight < 20 * sum(len(key) for key in memo._known)
    assert weight / len(fields) < 4096
