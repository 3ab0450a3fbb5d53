"""Nothing but a `SyncError` leaves a public call, whatever the arguments' own methods do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, diff, explore, generate, merge, replay, run, sample
from syncsim.service.retry import RetryPolicy
from tests import hostile

TID = "card"


@pytest.fixture(params=["memory", "sqlite"])
def sync(request: Any, tmp_path: Path) -> Iterator[Any]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/t.db"
    with connect(url, cache=tmp_path / "cache") as connected:
        connected.create_template(TID, sample("contact_card"), user="ann")
        connected.update_template(TID, {"name": "Second"}, user="ben")
        yield connected


def versions(sync: Any) -> list[str]:
    return [revision.version for revision in sync.history(TID)]


def keyed(key: Any, value: Any) -> dict[Any, Any]:
    """An object under this key; empty for what cannot be one."""
    try:
        return {key: value}
    except (TypeError, hostile.Mine):
        return {}


VERBS: dict[str, tuple[str, Callable[[Any, Any], object]]] = {
    "get, id": (TID, lambda s, x: s.get_template(x, user="ann")),
    "get, user": ("ann", lambda s, x: s.get_template(TID, user=x)),
    "update, id": (TID, lambda s, x: s.update_template(x, {"name": "A"}, user="ann")),
    "update, user": ("ann", lambda s, x: s.update_template(TID, {"name": "A"}, user=x)),
    "update, changes": ("x", lambda s, x: s.update_template(TID, x, user="ann")),
    "update, key": ("name", lambda s, x: s.update_template(TID, keyed(x, "A"), user="ann")),
    "update, value": ("A", lambda s, x: s.update_template(TID, {"name": x}, user="ann")),
    "update, element": ("A", lambda s, x: s.update_template(TID, {"fields": [x]}, user="ann")),
    "update, inside": (
        "A",
        lambda s, x: s.update_template(TID, {"settings": {"x_a": {"b": x}}}, user="ann"),
    ),
    "update, inner key": (
        "x_a",
        lambda s, x: s.update_template(TID, {"settings": keyed(x, 1)}, user="ann"),
    ),
    "update, base": ("A", lambda s, x: s.update_template(TID, {"name": "B"}, user="a", base=x)),
    "update, update id": (
        "one",
        lambda s, x: s.update_template(TID, {"name": "B"}, user="a", update_id=x),
    ),
    "strict, id": (TID, lambda s, x: s.update_with_version(x, {}, "1-x", user="ann")),
    "strict, version": ("1-x", lambda s, x: s.update_with_version(TID, {}, x, user="ann")),
    "strict, user": ("ann", lambda s, x: s.update_with_version(TID, {}, "1-x", user=x)),
    "strict, changes": (
        "x",
        lambda s, x: s.update_with_version(TID, x, versions(s)[0], user="ann"),
    ),
    "job": (TID, lambda s, x: s.run_background_job(x)),
    "create, id": ("n", lambda s, x: s.create_template(x, sample("contact_card"), user="ann")),
    "create, document": ("n", lambda s, x: s.create_template("n", x, user="ann")),
    "create, user": ("ann", lambda s, x: s.create_template("m", sample("contact_card"), user=x)),
    "history, id": (TID, lambda s, x: s.history(x)),
    "history, limit": ("1", lambda s, x: s.history(TID, limit=x)),
    "rollback, id": (TID, lambda s, x: s.rollback(x, "1-x", user="ann")),
    "rollback, version": ("1-x", lambda s, x: s.rollback(TID, x, user="ann")),
    "rollback, user": ("ann", lambda s, x: s.rollback(TID, versions(s)[-1], user=x)),
    "diff, id": (TID, lambda s, x: s.diff(x, "1-x", "2-x")),
    "diff, first": ("1-x", lambda s, x: s.diff(TID, x, versions(s)[0])),
    "diff, second": ("1-x", lambda s, x: s.diff(TID, versions(s)[0], x)),
    "cache_states": (TID, lambda s, x: s.cache_states(x)),
    "pending": (TID, lambda s, x: s.pending(x)),
    "trace": ("one", lambda s, x: s.trace(x)),
}


@pytest.mark.parametrize(("text", "call"), VERBS.values(), ids=VERBS)
def test_what_leaves_a_verb_is_a_sync_error(
    sync: Any, text: str, call: Callable[[Any, Any], object]
) -> None:
    assert hostile.escaped(lambda value: call(sync, value), hostile.everything(text)) == []


@pytest.mark.parametrize("field", ["template_id", "version", "document", "updated_by"])
def test_a_base_with_a_hostile_part_is_refused_or_plain(sync: Any, field: str) -> None:
    base = sync.get_template(TID, user="ann")
    unknown = replace(base, version="9-unknown")
    values = hostile.everything(str(getattr(base, field)))
    for seen in (base, unknown):
        found = hostile.escaped(
            lambda value: sync.update_template(
                TID,
                {"name": "B"},
                user="ann",
                base=replace(seen, **{field: value}),  # noqa: B023
            ),
            values,
        )
        assert found == []


def test_text_of_a_subclass_counts_as_the_text_it_is(sync: Any) -> None:
    """An enumeration of users, a string type of a library: no mistake, and no code of theirs."""
    for user in hostile.texts("cid"):
        assert sync.get_template(TID, user=user).template_id == TID
    for n, template_id in enumerate(hostile.texts(TID)):
        outcome = sync.update_template(template_id, {"name": f"n{n}"}, user="cid")
        assert type(sync.history(TID)[0].by) is str
        strict = {"name": f"strict {n}"}
        version = hostile.texts(outcome.version)[n]
        assert sync.update_with_version(TID, strict, version, user="cid").status == "committed"


NAMED: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "run, scenario": ("stress-test", lambda x: run(x)),
    "run, on": ("simulation", lambda x: run("single-update", on=x)),
    "run, seed": (1, lambda x: run("single-update", seed=x)),
    "run, solution": ("x.py", lambda x: run("single-update", solution=x)),
    "run, solution on threads": (
        "x.py",
        lambda x: run("single-update", solution=x, on="threads"),
    ),
    "run, users": (1, lambda x: run("single-update", users=x)),
    "run, updates": (1, lambda x: run("single-update", updates=x)),
    "run, work_ms": (1.5, lambda x: run("single-update", work_ms=x)),
    "run, retry": ("third", lambda x: run("single-update", retry=x)),
    "run, retry on threads": ("none", lambda x: run("single-update", on="threads", retry=x)),
    "run, store": ("memory", lambda x: run("single-update", store=x)),
    "run, store on threads": ("memory", lambda x: run("single-update", on="threads", store=x)),
    "run, synchronous": ("FULL", lambda x: run("single-update", on="threads", synchronous=x)),
    "run, processes": (1, lambda x: run("single-update", on="threads", processes=x)),
    "run, processes on processes": ("1", lambda x: run("nope", on="processes", processes=x)),
    "run, template": ("contact_card", lambda x: run("single-update", template=x)),
    "run, timeout_s": (1.5, lambda x: run("single-update", on="threads", timeout_s=x)),
    "explore, scenario": ("single-update", lambda x: explore(x, schedules=1)),
    "explore, schedules": (1, lambda x: explore("single-update", schedules=x)),
    "explore, seed": (1, lambda x: explore("single-update", schedules=1, seed=x)),
    "explore, strategy": (
        "random",
        lambda x: explore("single-update", schedules=1, strategy=x),
    ),
    "explore, users": (1, lambda x: explore("single-update", schedules=1, users=x)),
    "explore, retry": ("third", lambda x: explore("single-update", schedules=1, retry=x)),
    "explore, faults": ("busy=8", lambda x: explore("single-update", schedules=1, faults=x)),
    "explore, with_job": ("y", lambda x: explore("single-update", schedules=1, with_job=x)),
    "explore, store": ("memory", lambda x: explore("single-update", schedules=1, store=x)),
    "explore, processes": (1, lambda x: explore("single-update", schedules=1, processes=x)),
    "explore, solution": ("x.py", lambda x: explore("single-update", schedules=1, solution=x)),
    "replay, scenario": ("single-update", lambda x: replay(x, "token")),
    "replay, token": ("token", lambda x: replay("single-update", x)),
    "sample": ("contact_card", lambda x: sample(x)),
    "generate, fields": (3, lambda x: generate(x, 7)),
    "generate, seed": (3, lambda x: generate(3, x)),
    "policy, name": ("third", lambda x: RetryPolicy(x)),
    "policy, retries": (1, lambda x: RetryPolicy(retries=x, queue_from=None)),
    "policy, delay": (1.5, lambda x: RetryPolicy(base_delay_s=x)),
    "policy, factor": (1.5, lambda x: RetryPolicy(factor=x)),
    "policy, text": ("third", lambda x: RetryPolicy.parse(x)),
}


@pytest.mark.parametrize(("plain", "call"), NAMED.values(), ids=NAMED)
def test_what_leaves_the_laboratory_is_a_sync_error(
    plain: Any, call: Callable[[Any], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = [{}, [], set(), *hostile.everything(plain if isinstance(plain, str) else "name")]
    assert hostile.escaped(call, values) == []


@pytest.mark.parametrize("name", ["url", "cache", "retry", "cooldown_s", "deadline_s"])
def test_what_leaves_connect_is_a_sync_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def opened(value: Any) -> None:
        settings: dict[str, Any] = {"url": "memory://", "cache": tmp_path / "c"} | {name: value}
        connect(**settings).close()

    text = {"url": "memory://", "cache": "caches", "retry": "third"}.get(name, "x")
    assert hostile.escaped(opened, hostile.everything(text)) == []


DOCUMENTS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda x: x,
    "value": lambda x: {"a": x},
    "element": lambda x: {"fields": [{"id": "a"}, x]},
    "id": lambda x: {"fields": [{"id": x, "v": 1}]},
    "inside": lambda x: {"a": {"b": [x]}},
}


@pytest.mark.parametrize("place", DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_leaves_merge_and_diff_is_a_sync_error(place: Callable[[Any], Any]) -> None:
    plain: dict[str, Any] = {"a": 1, "fields": [{"id": "a", "v": 2}]}
    other: dict[str, Any] = {"a": 2, "fields": [{"id": "a", "v": 3}, {"id": "b"}]}
    for call in (
        lambda x: merge(place(x), plain, other),
        lambda x: merge(plain, place(x), other),
        lambda x: merge(plain, other, place(x)),
        lambda x: merge(plain, place(x), place(x)),
        lambda x: diff(place(x), plain),
        lambda x: diff(plain, place(x)),
        lambda x: merge(plain, plain, other, keys=x),
        lambda x: merge(plain, plain, other, keys={"/fields": x}),
        lambda x: merge(plain, plain, other, keys={"/fields": [x]}),
        lambda x: diff(plain, other, keys=x),
    ):
        assert hostile.escaped(call, hostile.everything()) == []
