"""History: what differs between any two versions, rolling back by clicks, the audit trail."""

from __future__ import annotations

import csv
import io
import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncsim import run
from syncsim.errors import StoreUnavailableError, SyncError
from syncsim.events.kinds import Event
from syncsim.ui.charts import as_frame, version_history
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.versions.audit import audit_rows
from syncsim.ui.room.versions.diff_view import diff_rows, diff_view
from syncsim.ui.room.versions.history_panel import HistoryPanel
from syncsim.ui.room.versions.history_view import audit_table
from syncsim.ui.room.versions.store_past import NO_STORE, StorePast
from syncsim.ui.room.versions.tables import csv_text, download_link, html_table, json_text
from syncsim.ui.room.versions.version_line import MOST_SHOWN, version_line
from tests.template_examples import good
from tests.version_parts import HOSTILE, Story, seen


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Four versions: created, an update, a merge that overrides it, an update."""
    told = Story(tmp_path)
    told.edit("ben", lambda d: d.update(name="Spring"))
    told.edit("cem", lambda d: d.update(name="Summer", description="Hot."))
    base = told.sync.get_template("form", user="ann")
    told.edit("ann", lambda d: d["fields"].pop(0), base=base)
    yield told
    told.sync.close()


# -- differences -----------------------------------------------------------------------------------


def test_a_difference_is_told_by_field_in_words() -> None:
    a, b = good(), good()
    b["name"] = "Example of a form"
    b["fields"].insert(0, b["fields"].pop(5))
    removed = b["fields"].pop(4)
    b["metadata"]["note"] = "x"
    rows = {row["path"]: row for row in diff_rows(a, b)}
    assert rows["/name"]["words"] == "Example{+ of a form+}"
    assert (rows["/fields/day"]["change"], rows["/fields/day"]["after"]) == ("moved", "first")
    assert rows["/fields/day"]["before"] == "after Agreed"
    assert rows[f"/fields/{removed['id']}"]["after"] == "absent"
    assert (rows["/metadata/note"]["before"], rows["/metadata/note"]["after"]) == ("absent", '"x"')
    read = seen(diff_view(a, b, "1-a", "2-b"))
    assert "4 changes: + 1 added, \N{MINUS SIGN} 1 removed, ~ 1 changed, > 1 moved" in read.words
    assert "1-a → 2-b" in read.words
    assert " of a form" in "".join(read.marks["ins"])


def test_no_difference_is_said() -> None:
    assert "Nothing differs" in seen(diff_view(good(), good(), "1", "2")).words
    assert diff_rows(good(), good()) == []


# -- the audit trail -------------------------------------------------------------------------------


def test_the_audit_trail_says_who_when_what_and_why(story: Story) -> None:
    with pytest.raises(SyncError):
        story.sync.update_with_version("form", {"name": "x"}, story.base.version, user="dan")
    story.sync.run_background_job("form")
    story.sync.rollback("form", story.base.version, user="eve")
    rows = audit_rows(story.record)
    assert [row["who"] for row in rows] == ["ann", "ben", "cem", "ann", "dan", "Background", "eve"]
    created, update, merged, removed, refused, skipped, back = rows
    assert (created["what"], created["why"]) == ("created the template", "the first version")
    assert (update["what"], update["why"]) == ("changed name", "an update by its user")
    assert merged["what"] == "changed description; changed name"
    assert "merged with 1 version by ben" in merged["why"]
    assert "/name: the later value kept, not the earlier one of ben" in merged["why"]
    assert (merged["conflicts"], merged["base"]) == (1, story.base.version)
    assert removed["what"] == "removed fields > Title"
    assert (refused["what"], refused["version"]) == ("wrote nothing", None)
    assert refused["why"].startswith("VersionConflictError: ")
    assert skipped["why"].startswith("Skipped - recent user update")
    assert back["why"] == f"a return to version {story.base.version}"
    assert all(row["when"].endswith("+00:00") for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


@pytest.mark.parametrize(
    ("error", "definite", "what"),
    [
        ("OutcomeUnknownError", None, "failed, and may have written"),
        ("RetriesExhaustedError", None, "wrote nothing"),
        ("NotOurs", None, "failed, and may have written"),
        ("NotOurs", True, "wrote nothing"),
    ],
)
def test_a_failure_is_told_as_definite_only_where_it_is(
    error: str, definite: bool | None, what: str
) -> None:
    facts = {"error": error, "message": "no", "definite": definite}
    event = Event.of(1, "update.failed", 1.0, "ann", "u", "form", facts)
    (row,) = audit_rows(RunView((event,)))
    assert (row["what"], row["why"]) == (what, f"{error}: no")


def test_only_the_last_rows_are_worked_out_where_that_is_asked(story: Story) -> None:
    assert audit_rows(story.record, most=2) == audit_rows(story.record)[-2:]
    assert audit_rows(story.record, "other") == []


def test_the_version_line_agrees_with_the_chart(story: Story) -> None:
    versions = story.record.versions
    read = seen(version_line(versions, [versions[1].version]))
    table = as_frame(version_history(story.record.versions))
    assert read.elements.count("circle") == len(table) == 4
    for version, by in zip(table["version"], table["by"], strict=True):
        assert f"{version}: " in read.words
        assert by in read.words
    assert "4 versions by 3 authors; the newest is 4-" in read.words
    assert "1 value overridden" in read.words


def test_a_long_line_is_cut_at_its_old_end(story: Story) -> None:
    versions = list(story.record.versions) * 30
    read = seen(version_line(versions))
    assert read.elements.count("circle") == MOST_SHOWN
    assert f"(the newest {MOST_SHOWN} drawn)" in read.words


def test_the_audit_trail_is_shown_at_any_event() -> None:
    record = RunView.of(run("perfect-storm", seed=7, users=4))
    read = seen(audit_table(record))
    assert "Audit trail" in read.words
    assert record.versions[-1].version in read.words
    assert "Nothing has happened yet" in seen(audit_table(RunView())).words
    middle = record.until(len(record.events) // 2)
    shown = [row["version"] for row in audit_rows(middle) if row["version"]]
    assert shown == [one.version for one in middle.versions]
    assert len(shown) < len(record.versions)


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_a_cell_that_a_spreadsheet_would_compute_is_made_text(cell: str) -> None:
    text = csv_text([{"a": cell, "n": -5, "none": None}])
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert row == [f"'{cell}", "-5", ""]
    assert json.loads(json_text([{"a": cell}])) == [{"a": cell}]


def test_a_download_holds_the_whole_text() -> None:
    read = seen_link(download_link("audit.csv", "a;ö\n\ud800"))
    assert read == "a;ö\n\\ud800"
    assert csv_text([]) == ""
    assert json.loads(json_text([])) == []


def seen_link(link: str) -> str:
    _, _, body = link.partition("base64,")
    return b64decode(body.partition('"')[0]).decode()


def test_a_table_shows_its_last_rows_and_says_so() -> None:
    read = seen(html_table([{"n": number} for number in range(1000)], "Numbers"))
    assert "Numbers (the last 200 of 1000)" in read.words
    assert read.elements.count("tr") == 201


# -- the panel -------------------------------------------------------------------------------------


def test_two_versions_of_the_users_choice_are_compared(story: Story) -> None:
    panel = HistoryPanel()
    panel.show(story.record)
    tokens = [one.version for one in story.record.versions]
    assert (panel.a.value, panel.b.value) == (tokens[2], tokens[3])
    panel.a.value, panel.b.value = tokens[3], tokens[0]
    assert {row["path"] for row in panel.diff_rows()} == {"/name", "/description", "/fields/title"}
    assert "Summer" in seen(panel.html).words
    (description,) = [row for row in panel.diff_rows() if row["path"] == "/description"]
    assert description["before"] == '"Hot."'
    panel.as_table.value = True
    assert "caption" in seen(panel.html).elements
    assert "/fields/title" in panel.html


def test_the_newest_version_is_followed_and_a_chosen_pair_stays(story: Story) -> None:
    panel = HistoryPanel()
    panel.show(story.record)
    story.sync.update_template("form", {"name": "Five"}, user="ben")
    panel.show(story.record)
    tokens = [one.version for one in story.record.versions]
    assert (panel.a.value, panel.b.value) == (tokens[3], tokens[4])
    panel.b.value = tokens[1]
    story.sync.update_template("form", {"name": "Six"}, user="ben")
    panel.show(story.record)
    assert (panel.a.value, panel.b.value) == (tokens[3], tokens[1])
    panel.show(story.record, story.record.versions[2].update_id)
    assert (panel.a.value, panel.b.value) == (tokens[1], tokens[2])


def test_a_rollback_asks_says_what_it_will_do_and_does_it(story: Story) -> None:
    first = story.base.version
    changes: list[str] = []
    with StorePast(story.url, user="rae") as past:
        panel = HistoryPanel(past.rollback, changed=lambda: changes.append("read anew"))
        panel.show(past.record("form"))
        assert panel.buttons["Confirm rollback"].layout.display == "none"
        panel.target.value = first
        panel.buttons["Roll back..."].click()
        words = seen(panel.html).words
        assert "A new version with the content of 1-" in words
        assert "Nothing is deleted; the 3 later versions stay in the history" in words
        assert "3 changes" in words
        assert panel.buttons["Confirm rollback"].layout.display == ""
        assert len(past.record("form").versions) == 4
        panel.buttons["Confirm rollback"].click()
        assert panel.wait()
        versions = past.record("form").versions
        assert len(versions) == 5
        assert versions[-1].document == versions[0].document
        assert (versions[-1].by, versions[-1].detail["restored"]) == ("rae", first)
        assert "nothing was deleted" in seen(panel.html).words
        assert changes == ["read anew"]
        panel.show(past.record("form"))
        assert f"a return to version {first}" in seen(panel.html).words


def test_a_rollback_can_be_called_off_and_needs_the_second_click(story: Story) -> None:
    called: list[Any] = []
    panel = HistoryPanel(lambda *asked: called.append(asked))  # type: ignore[arg-type,func-returns-value]
    panel.show(story.record)
    panel.buttons["Confirm rollback"].click()
    panel.buttons["Roll back..."].click()
    panel.buttons["Cancel"].click()
    panel.buttons["Confirm rollback"].click()
    panel.buttons["Roll back..."].click()
    panel.target.value = story.base.version
    panel.buttons["Confirm rollback"].click()
    assert panel.wait()
    assert called == []


def test_without_a_store_rolling_back_is_disabled_and_says_why(story: Story) -> None:
    panel = HistoryPanel()
    panel.show(story.record)
    assert panel.buttons["Roll back..."].disabled
    assert panel.buttons["Roll back..."].tooltip == NO_STORE
    assert "The store of this run is gone" in seen(panel.html).words
    panel.buttons["Roll back..."].click()
    assert "Roll back?" not in panel.html


def test_a_rollback_that_fails_is_told_in_an_alert(story: Story) -> None:
    def fails(template_id: str, version: str) -> Any:
        raise StoreUnavailableError(template_id, "<img src=x>")

    panel = HistoryPanel(fails)
    panel.show(story.record)
    panel.buttons["Roll back..."].click()
    panel.buttons["Confirm rollback"].click()
    assert panel.wait()
    assert 'role="alert"' in panel.html
    assert "<img" not in panel.html
    assert not panel.buttons["Roll back..."].disabled
    assert not [t for t in threading.enumerate() if t.name == "syncsim-room-errand"]


def test_export_offers_the_whole_trail_as_a_file(story: Story) -> None:
    panel = HistoryPanel()
    panel.show(story.record)
    for form, name in (("CSV", "audit.csv"), ("JSON", "audit.json")):
        panel.buttons[f"Export {form}"].click()
        assert panel.wait()
        assert f'download="{name}"' in panel.exports.link.value
        assert seen_link(panel.exports.link.value) == panel.export(form)
    assert json.loads(panel.export("JSON")) == panel.rows()
    rows = list(csv.DictReader(io.StringIO(panel.export("CSV"))))
    assert [row["version"] for row in rows] == [row["version"] for row in panel.rows()]


def test_templates_are_told_apart_even_with_the_same_versions() -> None:
    """A run of several parts has a template each, and equal first versions."""
    record = RunView.of(run("retry-ladder", seed=7))
    names = list(dict.fromkeys(one.template_id for one in record.versions))
    assert len(names) == 2
    panel = HistoryPanel()
    panel.show(record)
    for name in names:
        panel.template.value = name
        assert {row["template"] for row in panel.rows()} == {name}
        last = [one for one in record.versions if one.template_id == name][-1]
        assert (panel.a.value, panel.b.value) == (last.parent, last.version)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_others_wrote_is_text(story: Story, name: str) -> None:
    base = story.sync.get_template("form", user="ann")

    def hostile(document: dict[str, Any]) -> None:
        document["name"] = name
        document["fields"][1]["label"] = name
        document["metadata"][name] = name

    story.edit(name, hostile, base=base)
    story.edit("ben", lambda d: d.update(name="x"))
    panel = HistoryPanel(lambda template_id, version: pytest.fail("not confirmed"))
    panel.show(story.record)
    panel.b.value = story.record.versions[-2].version
    panel.buttons["Roll back..."].click()
    typed = name.replace("\u202e", "\\u202e").replace("\u202c", "\\u202c")
    read = seen(panel.html)
    assert typed in read.words
    panel.as_table.value = True
    assert typed in seen(panel.html).words
    assert typed in seen(audit_table(story.record)).words
    rows = list(csv.reader(io.StringIO(panel.export("CSV"))))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_a_click_on_export_returns_before_the_file_is_made(story: Story) -> None:
    """Ten thousand versions take seconds: the page goes on, and what went wrong is said."""
    panel = HistoryPanel()
    panel.show(story.record)
    may_go_on = threading.Event()
    rows = panel.rows()

    def slow_rows() -> list[dict[str, Any]]:
        assert may_go_on.wait(10)
        return rows

    panel.exports._rows = slow_rows
    panel.buttons["Export JSON"].click()
    assert "Making the file" in panel.exports.link.value
    may_go_on.set()
    assert panel.wait()
    assert json.loads(seen_link(panel.exports.link.value)) == rows

    def broken_rows() -> list[dict[str, Any]]:
        raise ValueError("<b>no rows</b>")

    panel.exports._rows = broken_rows
    panel.buttons["Export CSV"].click()
    assert panel.wait()
    assert 'role="alert"' in panel.exports.link.value
    assert "&lt;b&gt;no rows" in panel.exports.link.value


def test_a_rollback_that_ends_when_its_store_is_gone_offers_no_other(story: Story) -> None:
    may_go_on = threading.Event()

    def rollback(template_id: str, version: str) -> Any:
        assert may_go_on.wait(10)
        return story.sync.rollback(template_id, version, user="rae")

    story.edit("ben", lambda d: d.update(name="New"))
    panel = HistoryPanel(rollback)
    panel.show(story.record)
    panel.buttons["Roll back..."].click()
    panel.buttons["Confirm rollback"].click()
    panel.allow(None)
    may_go_on.set()
    assert panel.wait()
    assert panel.buttons["Roll back..."].disabled


def test_a_trail_of_endless_texts_is_a_short_page() -> None:
    """As an edited file has them; what is saved has the reasons whole."""
    text = "<b>" * 100_000
    facts = {"reason": text, "error": text, "message": text}
    detail = {"kind": text, "restored": text}
    versions = [
        replace(one, by=text, detail=detail)
        for one in RunView.of(run("perfect-storm", seed=7)).versions
    ]
    events = [
        Event.of(1, "job.skipped", 1.0, text, None, versions[0].template_id, facts),
        Event.of(2, "update.failed", 2.0, text, "u", versions[0].template_id, facts),
    ]
    record = RunView(events, versions)
    assert len(audit_table(record)) + len(version_line(versions)) < 100_000
    assert text in json_text(audit_rows(record))
