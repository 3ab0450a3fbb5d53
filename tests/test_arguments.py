"""Whatever a caller passes wrongly leaves as a `SyncError`: every argument of every public verb."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, diff, merge, sample
from syncsim.contract import Snapshot
from syncsim.errors import SyncError, UsageError
from syncsim.service.retry import RetryPolicy
from syncsim.service.service import SyncService
from syncsim.system.locks import NamedLocks
from tests.parts import environment

TID = "card"


class Spiteful:
    """Compares, prints and hashes in no way: what a table or an array does when asked for truth."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


def bottomless() -> list[Any]:
    value: list[Any] = []
    for _ in range(50_000):
        value = [value]
    return value


# What no argument can be. The id of a template, a user's name and a version are text, so each of
# these is wrong there too.
ODD: dict[str, Any] = {
    "None": None,
    "True": True,
    "zero": 0,
    "negative": -1,
    "beyond 64 bits": 2**64,
    "5,000 digits": 10**5000,
    "float": 1.5,
    "nan": float("nan"),
    "bytes": b"x",
    "list": [],
    "set": {1},
    "function": len,
    "class": Snapshot,
    "cyclic": cyclic(),
    "bottomless": bottomless(),
    "spiteful": Spiteful(),
    "keys that are no text": {1: 2, "a": 1},
}
NO_NAME = ODD | {"empty": "", "surrogate": "\ud800", "NUL": "a\0b", "201 characters": "x" * 201}

CHANGES = {name: value for name, value in ODD.items() if not isinstance(value, dict)} | {
    "no such key": {"nmae": "typo"},
    "key that is no text": {1: 2},
    "None as key": {None: 1},
    "surrogate as key": {"\ud800": 1},
    "surrogate": {"name": "\ud800"},
    "spiteful": {"name": Spiteful()},
    "cyclic": {"settings": cyclic()},
    "bottomless": {"fields": bottomless()},
    "key inside": {"metadata": {1: 2}},
    "fields no list": {"fields": {}},
    "elements no objects": {"fields": [1]},
    "element of odd keys": {"fields": [{1: 2}]},
    "sections no list": {"sections": 5},
}


def refused(call: Callable[[], object]) -> SyncError:
    """The error of a call that cannot be honoured: one of ours, readable, fit for another process.

    Anything else that leaves the call fails the test.
    """
    with pytest.raises(SyncError) as caught:
        call()
    assert str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    return caught.value


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def sync(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("arguments")
    files = f"sqlite:///{folder}/t.db?synchronous=NORMAL"
    url = "memory://" if request.param == "memory" else files
    with connect(url, cache=folder / "cache") as connected:
        connected.create_template(TID, sample("contact_card"), user="ann")
        connected.update_template(TID, {"name": "Second"}, user="ben")
        yield connected


def snapshot(**odd: Any) -> Snapshot:
    given = {"template_id": TID, "version": "9-unknown", "document": sample("contact_card")} | odd
    return Snapshot(**given, updated_at=0.0, updated_by="ann")


NEW = {"name": "New"}
WITH_TEMPLATE_ID: dict[str, Callable[[Any, Any], object]] = {
    "get_template": lambda s, x: s.get_template(x, user="ann"),
    "update_template": lambda s, x: s.update_template(x, NEW, user="ann"),
    "update_with_version": lambda s, x: s.update_with_version(x, NEW, "1-x", user="ann"),
    "run_background_job": lambda s, x: s.run_background_job(x),
    "create_template": lambda s, x: s.create_template(x, sample("contact_card"), user="ann"),
    "history": lambda s, x: s.history(x),
    "rollback": lambda s, x: s.rollback(x, "1-x", user="ann"),
    "diff": lambda s, x: s.diff(x, "1-x", "2-x"),
    "cache_states": lambda s, x: s.cache_states(x),
    "pending": lambda s, x: s.pending(x),
}
WITH_USER: dict[str, Callable[[Any, Any], object]] = {
    "get_template": lambda s, x: s.get_template(TID, user=x),
    "update_template": lambda s, x: s.update_template(TID, NEW, user=x),
    "update_with_version": lambda s, x: s.update_with_version(TID, NEW, "1-x", user=x),
    "create_template": lambda s, x: s.create_template("new", sample("contact_card"), user=x),
    "rollback": lambda s, x: s.rollback(TID, "1-x", user=x),
}
WITH_VERSION: dict[str, Callable[[Any, Any], object]] = {
    "update_with_version": lambda s, x: s.update_with_version(TID, NEW, x, user="ann"),
    "rollback": lambda s, x: s.rollback(TID, x, user="ann"),
    "diff, first": lambda s, x: s.diff(TID, x, s.history(TID)[0].version),
    "diff, second": lambda s, x: s.diff(TID, s.history(TID)[0].version, x),
    "base": lambda s, x: s.update_template(TID, {"nmae": 1}, user="ann", base=snapshot(version=x)),
}
WITH_CHANGES: dict[str, Callable[[Any, Any], object]] = {
    "at the head": lambda s, x: s.update_template(TID, x, user="ann"),
    "behind the head": lambda s, x: s.update_template(TID, x, user="ann", base=first(s)),
    "under an id": lambda s, x: s.update_template(TID, x, user="ann", update_id="u"),
    "strict": lambda s, x: s.update_with_version(TID, x, s.history(TID)[0].version, user="ann"),
}
CALLS = [
    *((f"template_id of {n}", c, NO_NAME) for n, c in WITH_TEMPLATE_ID.items()),
    *((f"user of {n}", c, NO_NAME) for n, c in WITH_USER.items()),
    *((f"version of {n}", c, NO_NAME) for n, c in WITH_VERSION.items()),
    *((f"changes {n}", c, CHANGES) for n, c in WITH_CHANGES.items()),
]


def first(sync: Any) -> Snapshot:
    return snapshot(version=sync.history(TID)[-1].version)


@pytest.mark.parametrize(("call", "values"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_an_argument_that_can_be_none_is_refused_by_every_verb(
    sync: Any, call: Callable[[Any, Any], object], values: dict[str, Any]
) -> None:
    before = sync.history(TID)[0].version
    for value in values.values():
        refused(lambda: call(sync, value))  # noqa: B023
    assert sync.history(TID)[0].version == before
    assert list(sync.list_templates()) == [TID]


def test_a_document_that_is_none_creates_nothing(sync: Any) -> None:
    for document in (*CHANGES.values(), {}, {**sample("contact_card"), "name": Spiteful()}):
        refused(lambda: sync.create_template("new", document, user="ann"))  # noqa: B023
    assert list(sync.list_templates()) == [TID]


def test_a_base_that_is_no_snapshot_of_the_template_is_refused(sync: Any) -> None:
    wrong = [value for value in ODD.values() if value is not None]
    wrong += [snapshot(template_id=odd) for odd in ("other", None, Spiteful(), [])]
    for base in wrong:
        error = refused(lambda: sync.update_template(TID, NEW, user="ann", base=base))  # noqa: B023
        assert getattr(error, "argument", None) == "base"


def test_an_unknown_base_must_hold_a_document(sync: Any) -> None:
    for odd in CHANGES.values():
        for update_id in (None, "u"):
            base = snapshot(document=odd)
            refused(
                lambda: sync.update_template(
                    TID,
                    NEW,
                    user="ann",
                    base=base,  # noqa: B023
                    update_id=update_id,  # noqa: B023
                )
            )


def test_an_update_id_is_text_of_bounded_length_everywhere(sync: Any) -> None:
    for odd in NO_NAME.values():
        if odd is not None:
            same_as_head = {"name": "Second"}
            error = refused(
                lambda: sync.update_template(TID, same_as_head, user="ann", update_id=odd)  # noqa: B023
            )
            assert getattr(error, "argument", None) == "update_id"
        assert isinstance(refused(lambda: sync.trace(odd)), UsageError)  # noqa: B023


def test_a_limit_that_is_no_count_is_refused(sync: Any) -> None:
    for limit in (*ODD.values(), False, 1.0, 2**63, "1", ""):
        if limit is not None:
            error = refused(lambda: sync.history(TID, limit=limit))  # noqa: B023
            assert getattr(error, "argument", None) == "limit"


def test_the_largest_limit_gives_everything(sync: Any) -> None:
    assert len(sync.history(TID, limit=2**63 - 1)) == len(sync.history(TID))


# -- connecting ------------------------------------------------------------------------------------

NO_TIME = {k: v for k, v in ODD.items() if k not in ("zero", "float")} | {
    "text": "3",
    "infinite": float("inf"),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "url": {k: v for k, v in NO_NAME.items() if k not in ("None", "201 characters")}
    | {"a name too long": "x" * 300, "in a name too long": "sqlite:///" + "x" * 300 + "/t.db"},
    "cache": {k: v for k, v in ODD.items() if k != "None"}
    | {"empty": "", "surrogate": "\ud800", "NUL": "a\0b"},
    "cooldown_s": NO_TIME,
    "deadline_s": NO_TIME | {"zero": 0},
    "retry": {k: v for k, v in ODD.items() if k != "None"} | {"unknown": "often", "empty": ""},
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}: {what}")
        for name, values in SETTINGS.items()
        for what, value in values.items()
    ],
)
def test_a_setting_that_cannot_be_honoured_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SYNCSIM_STORE_URL", f"sqlite:///{tmp_path}/default.db")
    settings: dict[str, Any] = {"url": "sqlite:///t.db", "cache": tmp_path / "c"} | {name: value}
    refused(lambda: connect(**settings).close())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["cooldown_s", "deadline_s", "retry"])
def test_a_solution_built_by_hand_checks_its_settings_too(tmp_path: Path, name: str) -> None:
    for value in SETTINGS[name].values():
        if not isinstance(value, str):
            refused(lambda: SyncService(environment(tmp_path), **{name: value}))  # noqa: B023


@pytest.mark.parametrize(
    "odd",
    [
        {"name": 5},
        {"name": []},
        {"base_delay_s": "x"},
        {"base_delay_s": True},
        {"base_delay_s": 10**20},
        {"factor": None},
        {"factor": float("nan")},
        {"retries": 10**9},
        {"retries": "3"},
        {"queue_from": "1"},
    ],
    ids=str,
)
def test_a_policy_of_odd_numbers_is_refused(odd: dict[str, Any]) -> None:
    refused(lambda: RetryPolicy(**odd))


# -- locks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_files", [False, True])
def test_a_lock_is_asked_for_by_a_name_and_a_time(tmp_path: Path, in_files: bool) -> None:
    locks = NamedLocks(tmp_path / "locks" if in_files else None)

    def hold(name: Any, timeout_s: Any = None) -> None:
        with locks.lock(name, timeout_s=timeout_s):
            pass

    for name in ODD.values():
        assert isinstance(refused(lambda: hold(name)), UsageError)  # noqa: B023
    for what, timeout_s in NO_TIME.items():
        if what not in ("None", "infinite"):
            assert isinstance(refused(lambda: hold("n", timeout_s)), UsageError)  # noqa: B023
    for name in ("", "\ud800", "a\0b", "x" * 10_000):
        hold(name, 0)
    hold("n", float("inf"))
    assert locks._in_use == {}


def test_a_cache_is_asked_for_by_a_name(sync: Any) -> None:
    for user in ODD.values():
        assert isinstance(refused(lambda: sync._env.cache(user)), UsageError)  # noqa: B023


def test_a_store_refuses_an_id_that_is_none_in_a_write_too(sync: Any) -> None:
    document = sample("contact_card")
    for odd in NO_NAME.values():
        refused(lambda: sync._store.compare_and_swap(odd, "1-x", document, by="ann"))  # noqa: B023
        refused(lambda: sync._store.update_locked(odd, lambda row: None, by="ann"))  # noqa: B023


# -- merging ---------------------------------------------------------------------------------------

BASE, EARLIER = {"fields": [{"id": "a", "x": 1}]}, {"fields": [{"id": "a", "x": 2}]}
LATER = {"fields": [{"id": "a", "x": 3}], "name": "n"}
NO_KEYS = [
    *(value for value in ODD.values()),
    *({"/fields": value} for what, value in ODD.items() if what != "list"),
    {5: "id"},
    {"fields": "id"},
    {"/fields": ["id", 5]},
    {"/fields": {"id"}},
    {"/fields": {"id": "id"}},
]


def test_keys_that_are_none_are_refused_by_merge_and_diff() -> None:
    for keys in NO_KEYS:
        for call in (
            lambda: merge(BASE, EARLIER, LATER, keys=keys),  # noqa: B023
            lambda: diff(BASE, LATER, keys=keys),  # noqa: B023
        ):
            assert isinstance(refused(call), UsageError)


def knot() -> list[Any]:
    value: list[Any] = [{}]
    value.append({"in": value})
    return value


@pytest.mark.parametrize("make", [cyclic, knot])
def test_documents_that_contain_themselves_are_refused_soon(make: Callable[[], Any]) -> None:
    calls: list[Callable[[], object]] = [
        lambda: merge(make(), make(), make()),
        lambda: merge(1, make(), make()),
        lambda: merge({"a": 1}, {"a": make()}, {"a": make()}),
        lambda: merge(make(), make(), make(), keys={"/a": "id"}),
        lambda: diff(make(), make()),
    ]
    for call in calls:
        assert "contains itself" in str(refused(call))


def test_documents_nested_too_deep_are_refused() -> None:
    def deep(leaf: int) -> Any:
        value: Any = leaf
        for _ in range(5_000):
            value = {"a": value}
        return value

    assert "levels" in str(refused(lambda: merge(deep(1), deep(2), deep(3))))
    assert "levels" in str(refused(lambda: diff(deep(1), deep(2))))


@pytest.mark.parametrize(
    ("odd", "where"),
    [
        (b"x", "/fields"),
        ({1}, "/fields"),
        (10**5000, "/fields"),
        (Spiteful(), "/fields"),
        ({"a": (1,), "b": {1}}, "/fields/0/b"),
    ],
    ids=["bytes", "set", "5,000 digits", "spiteful", "inside"],
)
def test_what_is_no_json_is_named_where_merging_meets_it(odd: Any, where: str) -> None:
    error = refused(lambda: merge({"fields": [odd]}, {"fields": [odd, 1]}, {"fields": [1, odd, 1]}))
    assert f"a value at {where}" in str(error)


def test_a_place_far_down_is_named_by_its_end() -> None:
    def nested(odd: Any) -> Any:
        for _ in range(300):
            odd = [odd]
        return odd

    text = str(refused(lambda: merge(nested([1]), nested([{2}, 3]), nested([{3}, 4]))))
    assert "a value at .../0/0" in text
    assert len(text) < 400


def test_keys_of_objects_are_text() -> None:
    for other in ({1: 3}, {1: 3, "b": 1}, {"b": 1}):
        assert "text as key" in str(refused(lambda other=other: diff({"a": {1: 2}}, {"a": other})))


def test_a_fault_of_our_own_in_a_sound_document_is_not_blamed_on_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("syncsim.merging.documents.mend", broken)
    with pytest.raises(ZeroDivisionError):
        merge(BASE, EARLIER, LATER)
