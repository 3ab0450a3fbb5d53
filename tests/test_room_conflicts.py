"""The conflict view: what it says of a merge and of a loss, as typed; and Restore, by clicks."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim import run
from syncsim.contract import ABSENT
from syncsim.errors import OutcomeUnknownError, StoreUnavailableError, UsageError
from syncsim.lab.history.records import Commit
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.versions.conflict_panel import ConflictPanel
from syncsim.ui.room.versions.conflict_view import (
    BOTH_PRESERVED,
    MOST_CARDS,
    conflict_rows,
    conflict_view,
    summary,
)
from syncsim.ui.room.versions.look import GROUNDS, INKS
from syncsim.ui.room.versions.resolutions import resolutions
from syncsim.ui.room.versions.store_past import NO_STORE, StorePast
from syncsim.ui.room.versions.value_cells import LONG, change_cell, value_cell
from syncsim.ui.room.versions.word_marks import marked, marked_short, marked_text, marks
from tests.template_examples import good
from tests.version_parts import HOSTILE, Story, seen

BROKEN = Path(__file__).parent.parent / "syncsim" / "lab" / "solutions" / "broken"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path)
    yield told
    told.sync.close()


@pytest.fixture
def disputed(story: Story) -> Story:
    """Two users from one base: the same name and label, a field deleted and edited, and more."""

    def ben(document: dict[str, Any]) -> None:
        document["name"] = "Spring meeting"
        document["fields"][0]["label"] = "Family name"
        document["fields"].pop(3)
        document["metadata"]["level"] = 3
        document["settings"]["theme"] = "dark"

    def cem(document: dict[str, Any]) -> None:
        document["name"] = "Spring gathering"
        document["fields"][0]["label"] = "Name of the family"
        document["fields"][3]["label"] = "Part"
        document["metadata"].pop("level")
        document["description"] = "For the spring."

    story.edit("ben", ben)
    story.edit("cem", cem)
    return story


# -- words -----------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.text(max_size=60))
def test_marks_spell_both_texts(before: str, after: str) -> None:
    found = marks(before, after)
    assert "".join(mark.text for mark in found if mark.fate != "new") == before
    assert "".join(mark.text for mark in found if mark.fate != "gone") == after
    seen(marked(before, after))
    seen(marked_short(before, after))


def test_words_are_marked_inside_a_text() -> None:
    read = seen(marked("Your old family name", "Your full family name"))
    assert read.marks == {"ins": ["full"], "del": ["old"]}
    assert read.words == "Your \N{MINUS SIGN}old+full family name"
    assert marked_text("Your old name", "Your full name") == "Your [-old-]{+full+} name"


def test_a_long_text_is_cut_around_its_change_and_can_be_seen_whole() -> None:
    text = "word " * 80
    cell = change_cell(f"{text}old", f"{text}new")
    summary, _, whole = cell.partition("</summary>")
    assert "new" in seen(summary + "</summary></details>").words
    assert len(summary) < 300
    assert text in seen(cell).words
    assert "details" in seen(cell).elements
    assert whole


def test_values_that_look_alike_are_told_apart() -> None:
    values: list[Any] = [None, "null", "", " x", "x", "5", 5, 5.0, True, "true", "absent", ABSENT]
    words = [seen(value_cell(each)).words for each in values]
    assert len(set(words)) == len(values)
    assert words[-2:] == ['"absent"', "absent"]
    assert "<i>" in value_cell(ABSENT)


def test_a_long_value_can_be_seen_whole() -> None:
    value = {"label": "E-mail", "help": "x" * LONG}
    read = seen(value_cell(value))
    assert "summary" in read.elements
    assert "x" * LONG in read.words
    assert read.words.startswith("E-mail")


# -- the view --------------------------------------------------------------------------------------


def test_changes_that_met_and_stayed_are_both_shown(story: Story) -> None:
    """The mission's picture: before, A's change, B's change, the result with both."""
    story.edit("ben", lambda d: d.update(name="New A"))
    story.edit(
        "cem", lambda d: d["fields"].append({**d["fields"][0], "id": "more", "label": "More"})
    )
    words = seen(conflict_view(story.record)).words
    assert BOTH_PRESERVED in words
    for part in ("Before", "ben's change", "cem's change", "Result", "unchanged", "+ added"):
        assert part in words
    (name, field) = conflict_rows(story.record)
    assert (name["before"], name["earlier"], name["result"]) == ('"Example"', '"New A"', '"New A"')
    assert (name["earlier_by"], name["later"], name["kept"]) == ("ben", '"Example"', "both")
    assert (field["path"], field["before"], field["change"]) == ("/fields/more", "absent", "added")
    assert "overridden" not in words


def test_what_was_not_kept_stands_beside_what_was(disputed: Story) -> None:
    page = conflict_view(disputed.record)
    read = seen(page)
    for head in ("Before", "Earlier, not kept", "Later, kept", "Result"):
        assert f'<th scope="col">{head}</th>' in page
    assert "4 values overridden" in read.words
    assert "4 other changes preserved" not in read.words
    assert "2 other changes preserved" in read.words
    rows = {row["path"]: row for row in conflict_rows(disputed.record)}
    name = rows["/name"]
    assert (name["earlier"], name["later"]) == ('"Spring meeting"', '"Spring gathering"')
    assert (name["kept"], name["earlier_by"], name["later_by"]) == ("later", "ben", "cem")
    assert name["earlier_version"] == disputed.record.versions[1].version
    assert rows["/fields/share"]["change"] == "delete-edit"
    assert rows["/fields/share"]["earlier"] == "absent"
    level = rows["/metadata/level"]
    assert (level["before"], level["earlier"], level["later"]) == ("null", "3", "absent")
    assert rows["/settings/theme"]["kept"] == rows["/description"]["kept"] == "both"
    assert "family" in "".join(read.marks["ins"])


def test_where_the_earlier_value_is_kept_the_words_say_so(story: Story) -> None:
    """A section deleted by the later one comes back, as the earlier one's field stands in it."""
    story.edit("ben", lambda d: d["fields"][0].update(section="extra"))

    def without(document: dict[str, Any]) -> None:
        document["sections"].pop()
        document["fields"].pop()

    story.edit("cem", without)
    page = conflict_view(story.record)
    assert '<th scope="col">Earlier, kept</th>' in page
    assert '<th scope="col">Later, not kept</th>' in page
    assert "Taken back" in page
    (row,) = [row for row in conflict_rows(story.record) if row["kept"] == "earlier"]
    assert (row["path"], row["fate"], row["later"]) == ("/sections/extra", "taken back", "absent")


def test_moves_are_told_in_words(story: Story) -> None:
    story.edit("ben", lambda d: d["fields"].insert(0, d["fields"].pop(2)))
    story.edit("cem", lambda d: d.update(name="New"))
    words = seen(conflict_view(story.record)).words
    assert "> moved first" in words
    assert "after Code" in words


def test_the_newest_rows_can_be_had_alone() -> None:
    record = RunView.of(run("perfect-storm", seed=7, users=8))
    rows = conflict_rows(record)
    assert len(rows) > 20
    for most in (0, 1, 7, len(rows), len(rows) + 1):
        assert conflict_rows(record, most=most) == rows[len(rows) - min(most, len(rows)) :]


def test_a_selected_update_is_shown_alone(disputed: Story) -> None:
    ben, cem = disputed.record.versions[1:]
    assert ben.update_id
    words = seen(conflict_view(disputed.record, ben.update_id)).words
    assert ben.version in words
    assert cem.version not in words
    assert "Nobody else had committed since its base" in words
    assert conflict_view(disputed.record, cem.version).count("<section") == 1
    assert "written no version" in conflict_view(disputed.record, "no such id")


def test_nothing_committed_is_said() -> None:
    assert "Nothing has been committed yet" in seen(conflict_view(RunView())).words
    assert conflict_rows(RunView()) == []


def test_a_simulated_run_and_its_replay_are_told_alike() -> None:
    """At the last event the replay shows what the run does; before the first commit, nothing."""
    record = RunView.of(run("perfect-storm", seed=7, users=4))
    page = conflict_view(record)
    assert BOTH_PRESERVED in page
    assert conflict_view(record.until(len(record.events))) == page
    assert "<table" not in conflict_view(record.until(1))
    half = conflict_rows(record.until(len(record.events) // 2))
    assert half == conflict_rows(record)[: len(half)]


def test_a_lost_update_is_shown_where_the_solution_recorded_nothing() -> None:
    """The write that came last put the old name back: that is no merge, and is not called one."""
    played = run("perfect-storm", seed=7, users=3, solution=str(BROKEN / "last_write_wins.py"))
    assert any(finding.code == "D1" for finding in played.findings)
    record = RunView.of(played)
    words = seen(conflict_view(record)).words
    assert "lost without a record" in words
    assert "wrote back" in words
    assert "3 changes lost without a record" in seen(summary(resolutions(record))).words
    assert "without a conflict" not in words
    lost = [row for row in conflict_rows(record) if row["fate"] == "set back"]
    assert all(row["result"] == row["before"] != row["earlier"] for row in lost)


def test_a_long_summary_says_how_far_it_looked() -> None:
    """What nobody recorded is looked for in the newest versions only, and that is said."""
    versions = [Commit(1, "form", "1", None, None, "ann", 1.0, good())]
    for number in range(2, MOST_CARDS + 6):
        document = {**good(), "name" if number % 2 else "description": f"mine, {number}"}
        of_one = str(number), str(number - 1), None, "ben", float(number), document
        versions.append(Commit(number, "form", *of_one, f"u{number}", {"base": "1"}))
    record = RunView((), versions)
    assert len([one for one in resolutions(record) if one.has_met]) > MOST_CARDS
    words = seen(summary(resolutions(record))).words
    assert f"lost without a record in the newest {MOST_CARDS}" in words
    assert "without a conflict" not in words


@pytest.mark.parametrize("name", HOSTILE)
def test_what_others_wrote_is_text(story: Story, name: str) -> None:
    """In the name of a user, a label, a value, a key; nothing of it becomes an element."""

    def ben(document: dict[str, Any]) -> None:
        document["name"] = name
        document["fields"][1]["label"] = name
        document["metadata"]["a" + name] = name

    story.edit(name, ben)
    story.edit("x" + name, lambda d: d.update(name=name + name, description=name * 20))
    read = seen(conflict_view(story.record))
    assert name.replace("\u202e", "\\u202e").replace("\u202c", "\\u202c") in read.words
    panel = ConflictPanel()
    panel.show(story.record)
    seen(panel.html)
    panel._as_table.value = True
    seen(panel.html)
    for _, lost in zip(panel.buttons, panel.lost, strict=True):
        assert lost.by == name
    rows = list(csv.reader(io.StringIO(panel.export("CSV"))))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert name in json.loads(panel.export("JSON"))[0]["earlier_by"]


# -- restore ---------------------------------------------------------------------------------------


def test_restore_commits_the_lost_value_and_nothing_else(disputed: Story) -> None:
    before = disputed.head()
    with StorePast(disputed.url, user="rae") as past:
        panel = ConflictPanel(past.restore)
        panel.show(past.record("form"))
        place = [lost.path for lost in panel.lost].index("/name")
        panel.buttons[place].click()
        assert panel.wait()
        assert panel.buttons[place].description == "Restored"
        assert panel.buttons[place].disabled
        assert "name is back in version 4-" in seen(panel.html).words
        assert disputed.head() == {**before, "name": "Spring meeting"}
        newest = past.record("form").versions[-1]
        assert newest.by == "rae"
        panel.show(past.record("form"))
        assert [b.description for b in panel.buttons][place] == "Restored"
        assert [b.description for b in panel.buttons].count("Restore") == 3


def test_every_lost_value_of_a_dispute_can_be_restored(disputed: Story) -> None:
    with StorePast(disputed.url) as past:
        panel = ConflictPanel(past.restore)
        panel.show(past.record("form"))
        for button in panel.buttons:
            button.click()
            assert panel.wait()
        assert {button.description for button in panel.buttons} == {"Restored"}
    head = disputed.head()
    assert head["fields"][0]["label"] == "Family name"
    assert "share" not in [field["id"] for field in head["fields"]]
    assert head["metadata"]["level"] == 3
    assert head["description"] == "For the spring."


def test_without_a_store_restore_is_disabled_and_says_why(disputed: Story) -> None:
    panel = ConflictPanel()
    panel.show(disputed.record)
    assert len(panel.buttons) == 4
    assert all(button.disabled and button.tooltip == NO_STORE for button in panel.buttons)
    told = panel._restores.children[-1].value
    assert "The store of this run is gone" in told
    panel.allow(lambda lost: pytest.fail("not clicked"))
    assert not any(button.disabled for button in panel.buttons)


def test_what_cannot_be_restored_is_told_in_an_alert(disputed: Story) -> None:
    def fails(lost: Any) -> Any:
        raise StoreUnavailableError("form", "<img src=x>")

    panel = ConflictPanel(fails)
    panel.show(disputed.record)
    panel.buttons[0].click()
    assert panel.wait()
    assert 'role="alert"' in panel.html
    assert "<img" not in panel.html
    assert "StoreUnavailableError" in panel.html
    assert (panel.buttons[0].description, panel.buttons[0].disabled) == ("Restore", False)
    assert not [t for t in threading.enumerate() if t.name == "syncsim-room-errand"]


@pytest.mark.parametrize("definite", [True, False])
def test_whether_anything_was_written_is_said_as_far_as_it_is_known(
    disputed: Story, definite: bool
) -> None:
    def fails(lost: Any) -> Any:
        raise OutcomeUnknownError("form", "u") if not definite else UsageError("a", "b", "c")

    panel = ConflictPanel(fails)
    panel.show(disputed.record)
    panel.buttons[0].click()
    assert panel.wait()
    words = seen(panel.html).words
    assert ("Nothing was written" in words) is definite
    assert ("It may have been written" in words) is not definite


def test_what_fails_after_a_restore_does_not_unsay_it(
    disputed: Story, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks() -> None:
        raise ValueError("the room is closed")

    with StorePast(connection=disputed.sync) as past:
        panel = ConflictPanel(past.restore, changed=breaks)
        panel.show(disputed.record)
        panel.buttons[0].click()
        assert panel.wait()
    assert "is back in version 4-" in seen(panel.html).words
    assert "the room is closed" in caplog.text
    assert disputed.head()  # a connection that was handed in stays open


def test_the_choice_follows_what_is_selected_elsewhere(disputed: Story) -> None:
    panel = ConflictPanel()
    panel.show(disputed.record)
    ben, cem = disputed.record.versions[1:]
    panel.show(disputed.record, ben.update_id)
    assert panel._choice.value == ("form", ben.version)
    assert panel.buttons == ()
    panel.show(disputed.record, cem.update_id)
    assert panel._choice.value == ("form", cem.version)
    assert len(panel.buttons) == 4
    panel._choice.value = ""
    panel.show(disputed.record, cem.update_id)
    assert panel._choice.value == ""


def test_a_store_in_memory_is_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match="memory ends with who opened it"):
        StorePast("memory://")


def test_a_base_that_the_record_does_not_hold_is_said(disputed: Story) -> None:
    record = disputed.record
    cut = replace(record, versions=record.versions[1:])
    words = seen(conflict_view(cut)).words
    assert "a base that is not in this record" in words
    assert "4 values overridden" in words
    assert resolutions(cut)[-1].base is None


# -- look ------------------------------------------------------------------------------------------


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", INKS)
@pytest.mark.parametrize("which", [0, 1], ids=["light", "dark"])
def test_every_ink_can_be_read_on_its_ground(name: str, which: int) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 to 1."""
    lights = sorted((luminance(INKS[name][which]), luminance(GROUNDS[which])))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def test_the_template_of_these_tests_is_what_they_say() -> None:
    assert good()["fields"][3]["id"] == "share"


def test_looking_back_makes_no_store(tmp_path: Path) -> None:
    """A typing error in a URL is said, and leaves no empty file behind."""
    with pytest.raises(UsageError, match=r"typo\.db does not exist"):
        StorePast(f"sqlite:///{tmp_path}/typo.db")
    assert list(tmp_path.iterdir()) == []
