"""Twice the document takes about twice the time: nothing that a verb computes is quadratic.

Measured in processor time of the thread, the best of some runs in turn; a quadratic part would make
the ratio four.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from time import thread_time
from typing import Any

import pytest

from syncsim.contract import Document
from syncsim.errors import InvalidTemplateError
from syncsim.lab.history.expected_state import mismatches
from syncsim.merging import alignment, changed_paths, diff, merge
from syncsim.merging.blame import Version, authors
from syncsim.merging.ordering import arrange, turned_pairs
from syncsim.merging.sequences import common
from syncsim.service.edits import stayed
from syncsim.template import encode, validate
from syncsim.template.samples import sample

RUNS = 5
SLOWER = 3.2
"""What is allowed for twice as much: n log n with a margin for a busy machine."""

FORM = sample("event_registration")
TEXT = {"section": FORM["sections"][0]["id"], "type": "text", "label": "Old"}
CHOICE = {**TEXT, "type": "choice"}

Work = Callable[[], object]


def form(fields: list[Document], **more: Any) -> Document:
    return validate({**FORM, "fields": fields, **more})


def fields(count: int, **attributes: Any) -> list[Document]:
    return [{**TEXT, "id": f"f{n}", **attributes} for n in range(count)]


def options(count: int) -> list[Document]:
    return [{"value": f"v{n}", "label": f"Option {n}"} for n in range(count)]


def relabelled_by_both(size: int) -> Work:
    base, earlier, later = (form(fields(size, label=label)) for label in ("Old", "One", "Two"))
    return lambda: merge(base, earlier, later)


def credited(size: int) -> Work:
    base, earlier, later = (form(fields(size, label=label)) for label in ("Old", "One", "Two"))
    conflicts = merge(base, earlier, later).conflicts
    versions = [
        Version("2", "ann", encode(earlier)),
        Version("1", "ben", encode(base), is_first=True),
    ]
    return lambda: authors(conflicts, lambda limit: versions)


def what_stayed(size: int) -> Work:
    base, earlier, later = (form(fields(size, label=label)) for label in ("Old", "One", "Two"))
    conflicts = merge(base, earlier, later).conflicts
    return lambda: stayed(changed_paths(base, earlier), conflicts)


def reordered_by_both(size: int) -> Work:
    """Each side turns another half round, so the two fit."""
    everything, half = options(size), size // 2
    orders = (
        everything,
        everything[:half][::-1] + everything[half:],
        everything[:half] + everything[half:][::-1],
    )
    base, earlier, later = (form([{**CHOICE, "id": "f", "options": order}]) for order in orders)
    return lambda: merge(base, earlier, later)


def reordered_without_a_fit(size: int) -> Work:
    """Every element moves on both sides, and not the same way."""
    base, step = list(range(size)), 7
    earlier = [n for first in range(step) for n in base[first::step]]
    return lambda: arrange(base, earlier, earlier[::-1], dict.fromkeys(base))


def mended(size: int) -> Work:
    """One side takes options away, the other chooses one of them, in every field."""
    few = options(4)
    choices = [{**CHOICE, "id": f"f{n}", "options": few} for n in range(size)]
    base = form(choices)
    earlier = form([{**field, "options": few[:2], "label": "One"} for field in choices])
    later = form([{**field, "default": "v3"} for field in choices])
    return lambda: merge(base, earlier, later)


def mended_in_one_field(size: int) -> Work:
    """The same in one field with many options."""
    many = options(size)
    base = form([{**CHOICE, "id": "f", "options": many}])
    earlier = form([{**CHOICE, "id": "f", "options": many[: size // 2]}])
    later = form([{**CHOICE, "id": "f", "options": many, "default": many[-1]["value"]}])
    return lambda: merge(base, earlier, later)


def in_deleted_sections(size: int) -> Work:
    """One side empties and deletes all sections but one, the other moves the fields among them."""
    sections = [{"id": f"s{n}", "title": "T"} for n in range(100)]
    placed = [{**TEXT, "id": f"f{n}", "section": f"s{n % 50}"} for n in range(size)]
    base = form(placed, sections=sections)
    moved = [{**field, "section": f"s{50 + n % 50}"} for n, field in enumerate(placed)]
    earlier = form(moved, sections=sections)
    later = form([{**field, "section": "s0"} for field in placed], sections=sections[:1])
    return lambda: merge(base, earlier, later)


def differences_of_an_order(size: int) -> Work:
    everything = options(size)
    orders = everything, everything[1::2] + everything[::2]
    base, other = (form([{**CHOICE, "id": "f", "options": order}]) for order in orders)
    return lambda: diff(base, other)


def objects_without_ids(size: int) -> Work:
    rows = [{"k": f"k{n}", "a": 1, "b": 2, "c": "same"} for n in range(size)]
    base = {"rows": rows}
    earlier = {"rows": [{"k": "new"}, *({**row, "a": 5} for row in rows)]}
    later = {"rows": [{**row, "b": 5} for row in rows]}
    return lambda: merge(base, earlier, later)


def objects_edited_by_both(size: int) -> Work:
    """No element is left as it was, so that all of them stand in one run."""
    rows = [{"k": f"k{n}", "n": n, "a": 0} for n in range(size)]
    base, earlier = {"rows": rows}, {"rows": [{**row, "a": 1} for row in rows]}
    later = {"rows": [{**row, "a": 2} if row["n"] else row for row in rows]}
    return lambda: merge(base, earlier, later)


def words(size: int) -> Work:
    """Every value some fifty times, edited near both ends by each."""
    base = [f"w{n % 50}" for n in range(size)]
    earlier = [*base[:100], "one", *base[101:-9], *base[-5:]]
    later = [*base[:40], *base[44:], "two", "w1"]
    return lambda: merge({"t": base}, {"t": earlier}, {"t": later})


def cards_that_move(size: int) -> Work:
    keys = {"/columns": "id", "/columns/*/cards": "id", "/backlog": "id"}

    def board(backlog: int, **edit: Any) -> Document:
        cards = [{"id": f"c{n}", **edit} for n in range(size)]
        column = {"id": "column", "cards": cards[backlog:]}
        return {"columns": [column], "backlog": cards[:backlog]}

    base, earlier, later = board(0), board(size // 2), board(0, done=True)
    return lambda: merge(base, earlier, later, keys=keys)


def judged(size: int) -> Work:
    base, earlier, later = (form(fields(size, label=label)) for label in ("Old", "One", "Two"))
    after = merge(base, earlier, later).document
    return lambda: [*mismatches(base, later, earlier, after)]


def chosen_of_many(size: int) -> Work:
    """Checked anew each time, as the label is new."""
    many = options(size)
    numbers = iter(range(1000))
    values = [option["value"] for option in many]

    def check() -> None:
        field = {**CHOICE, "type": "multi_choice", "id": "f", "options": many, "default": values}
        validate({**FORM, "fields": [{**field, "label": f"New {next(numbers)} of {size}"}]})

    return check


def twice_among_many(size: int) -> Work:
    many = [*options(size), options(size)[-1]]

    def refuse() -> None:
        with pytest.raises(InvalidTemplateError, match="no other option has"):
            validate({**FORM, "fields": [{**CHOICE, "id": "f", "options": many}]})

    return refuse


@pytest.mark.parametrize(
    ("work", "size"),
    [
        (relabelled_by_both, 500),
        (credited, 500),
        (what_stayed, 1000),
        (reordered_by_both, 2000),
        (reordered_without_a_fit, 4000),
        (mended, 200),
        (mended_in_one_field, 1000),
        (in_deleted_sections, 1000),
        (differences_of_an_order, 4000),
        (objects_without_ids, 500),
        (objects_edited_by_both, 1000),
        (words, 1000),
        (cards_that_move, 1000),
        (judged, 500),
        (chosen_of_many, 2000),
        (twice_among_many, 2000),
    ],
)
def test_twice_as_much_takes_about_twice_as_long(work: Callable[[int], Work], size: int) -> None:
    once, twice = work(size), work(2 * size)
    times: list[tuple[float, float]] = []
    for _ in range(3 * RUNS):  # the quickest of a few may be slow on a busy machine
        began = thread_time()
        once()
        between = thread_time()
        twice()
        times.append((between - began, thread_time() - between))
        of_once, of_twice = (min(column) for column in zip(*times, strict=True))
        if len(times) >= RUNS and of_twice < SLOWER * of_once:
            return
    raise AssertionError(f"{of_twice / of_once:.1f} times as long for twice as much")


def test_turned_pairs_are_those_that_a_look_at_each_pair_finds() -> None:
    order = [3, 0, 5, 1, 4, 2]
    slowly = sum(a > b for n, a in enumerate(order) for b in order[n:])
    assert turned_pairs(range(6), order) == slowly
    assert turned_pairs(range(6), range(6)) == 0
    assert turned_pairs(range(2000), range(2000)[::-1]) == 2000 * 1999 // 2


def test_a_trial_merge_aligns_no_two_sequences_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a list is settled takes two results more, and so two alignments with the base."""
    aligned: list[tuple[int, int]] = []

    def counted(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[tuple[int, int]]:
        if len(first) > 100:
            aligned.append((len(first), len(second)))
        return common(first, second)

    monkeypatch.setattr(alignment, "common", counted)
    base = [f"w{n % 50}" for n in range(1000)]
    earlier, later = [*base[:400], "one", *base[401:]], [*base[:800], "two", *base[801:]]
    merged = [*earlier[:800], "two", *earlier[801:]]
    assert merge({"t": base}, {"t": earlier}, {"t": later}).document == {"t": merged}
    assert len(aligned) == 4
