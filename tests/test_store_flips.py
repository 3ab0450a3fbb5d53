"""One bit turned round in a closed database: found, or without effect; never served as if right."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from syncsim.errors import StoreUnavailableError
from syncsim.store.copies import verify_file
from syncsim.store.sqlite import SQLiteStore
from tests.store_parts import document, opened

IDS = ("a", "b", "c")


def make(path: Path) -> bytes:
    """Three templates of 21 versions each, with every kind of column filled; folded and closed."""
    with closing(opened(str(path))) as store:
        for template_id in IDS:
            row = store.create(template_id, document(template_id), by="ann")
            for n in range(20):
                row = store.compare_and_swap(
                    template_id,
                    row.version,
                    document(template_id, n=n),
                    by="background" if n % 5 == 0 else f"user{n % 3}",
                    update_id=f"{template_id}-{n}",
                    detail={"kind": "update", "base": row.version},
                )
    return path.read_bytes()


def everything(store: SQLiteStore) -> dict[str, Callable[[], object]]:
    """All that can be asked of it."""
    asked: dict[str, Callable[[], object]] = {"templates": store.templates}
    for one in IDS:
        asked |= {
            f"head {one}": lambda one=one: store.head(one),
            f"read {one}": lambda one=one: store.read(one),
            f"history {one}": lambda one=one: store.history(one),
            f"audit {one}": lambda one=one: store.audit(one),
            f"update {one}": lambda one=one: store.find_update(f"{one}-7"),
            f"version {one}": lambda one=one: store.revision(one, "4-5b4b3a3c"),
        }
    return asked


FACTS = (
    *("template_id", "version", "revision", "parent", "by", "at", "update_id", "detail"),
    *("updated_at", "updated_by", "user_updated_at"),
)


def shown(answer: object) -> object:
    """The facts of rows and revisions, which are equal only to themselves."""
    if isinstance(answer, list):
        return [shown(one) for one in answer]
    if not hasattr(answer, "body"):
        return answer
    return answer.body, [getattr(answer, fact, None) for fact in FACTS]


def answers(path: Path) -> dict[str, object]:
    told: dict[str, object] = {}
    try:
        store = opened(str(path))
    except StoreUnavailableError as error:
        return {"opening": error}
    with closing(store):
        for name, ask in everything(store).items():
            try:
                told[name] = shown(ask())
            except StoreUnavailableError as error:
                told[name] = error
    return told


def flip(tmp_path: Path, flips: int, seed: int) -> Counter[str]:
    whole = make(tmp_path / "whole.db")
    right = answers(tmp_path / "whole.db")
    chance = random.Random(seed)
    tally: Counter[str] = Counter()
    for n in range(flips):
        data, at, bit = bytearray(whole), chance.randrange(len(whole)), 1 << chance.randrange(8)
        data[at] ^= bit
        path = tmp_path / f"flipped-{n}.db"
        path.write_bytes(data)
        is_found = not verify_file(path, None).passed
        told = answers(path)
        errors = [name for name, answer in told.items() if isinstance(answer, Exception)]
        wrong = [name for name in told if name not in errors and told[name] != right[name]]
        assert wrong == [], f"bit {bit} of byte {at}"
        tally["refused" if errors else "found" if is_found else "harmless"] += 1
        path.unlink()
    return tally


def test_a_flipped_bit_is_refused_or_harmless(tmp_path: Path) -> None:
    tally = flip(tmp_path, 40, seed=1)
    assert tally["refused"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_two_hundred_flipped_bits_are_refused_or_harmless(tmp_path: Path, seed: int) -> None:
    tally = flip(tmp_path, 200, seed)
    assert tally["refused"] > 100


def test_a_file_too_large_to_be_checked_at_once_is_found_out_by_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some heads are then older than the newest row, until `verify` is asked."""
    monkeypatch.setattr("syncsim.store.schema.MAX_CHECKED_BYTES", 0)
    path = tmp_path / "whole.db"
    whole = make(path)
    right = answers(path)
    chance = random.Random(4)
    for n in range(40):
        data, at, bit = bytearray(whole), chance.randrange(len(whole)), 1 << chance.randrange(8)
        data[at] ^= bit
        flipped = tmp_path / f"flipped-{n}.db"
        flipped.write_bytes(data)
        is_found = not verify_file(flipped, None).passed
        told = answers(flipped)
        assert is_found or all(
            isinstance(answer, Exception) or answer == right[name] for name, answer in told.items()
        ), f"bit {bit} of byte {at}"
        flipped.unlink()


# -- logs that a crash left torn -------------------------------------------------------------------


def torn(folder: Path, path: Path, chance: random.Random) -> Path:
    """A copy of the database with its log, which ends early or has one byte that is another."""
    copy = folder / "torn.db"
    copy.write_bytes(path.read_bytes())
    log = bytearray(path.with_name(f"{path.name}-wal").read_bytes())
    at = chance.randrange(len(log))
    if chance.random() < 0.5:
        del log[at:]
    else:
        log[at] ^= 1 + chance.randrange(255)
    folder.joinpath("torn.db-wal").write_bytes(log)
    return copy


def tear(tmp_path: Path, times: int, seed: int) -> None:
    """A torn log gives what was committed up to some moment, and the store goes on from there."""
    chance = random.Random(seed)
    path = tmp_path / "store.db"
    with closing(opened(str(path))) as store:
        store.create("a", document("a"), by="ann")
        for n in range(60):
            row = store.read("a")
            swapped = document("a", n=n)
            store.compare_and_swap("a", row.version, swapped, by="ann", update_id=f"u{n}")
        whole = [one.version for one in store.history("a")][::-1]
        for n in range(times):
            folder = tmp_path / f"torn-{n}"
            folder.mkdir()
            copy = torn(folder, path, chance)
            with closing(opened(str(copy))) as left:
                found = [one.version for one in left.history("a")][::-1] if left.templates() else []
                assert found == whole[: len(found)]
                assert left.verify().passed
                again = left.create if not found else left.put
                assert again("a", document("on"), by="ben").revision == len(found) + 1
            assert verify_file(copy, None).passed


def test_a_torn_log_gives_a_prefix_of_what_was_committed(tmp_path: Path) -> None:
    tear(tmp_path, 20, seed=5)


@pytest.mark.slow
def test_four_hundred_torn_logs_give_a_prefix_each(tmp_path: Path) -> None:
    tear(tmp_path, 400, seed=6)
