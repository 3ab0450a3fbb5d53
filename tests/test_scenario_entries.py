"""A new scenario is one entry: who lists, offers, asks or marks scenarios reads it there."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from syncsim.cli.application import app
from syncsim.lab.grading.probes import QUESTIONS, questions_of
from syncsim.lab.scenarios import ENTRIES, SCENARIOS, expectations, scenario
from syncsim.lab.scenarios.entry import Asked, Button, CatalogueEntry
from syncsim.lab.scenarios.mission import SCENARIOS as SIX
from syncsim.ui.run_buttons import PLAYS, RunButton, plays_of


def test_the_command_line_names_each_scenario() -> None:
    text = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "400"}).output
    assert [name for name in SCENARIOS if name not in text] == []


def test_each_button_plays_the_scenario_of_its_entry() -> None:
    labelled = {e.button.label: name for name, e in ENTRIES.items() if e.button is not None}
    assert {label: play.scenario for label, play in PLAYS.items()} == labelled
    places = [play.button.place for play in PLAYS.values()]
    assert places == list(range(1, len(places) + 1))


def test_each_entry_that_says_how_it_is_asked_is_a_question() -> None:
    asked = [name for name, entry in ENTRIES.items() if entry.asked is not None]
    assert sorted(question.parameters.scenario for question in QUESTIONS) == sorted(asked)


@pytest.mark.parametrize("name", ENTRIES)
def test_what_must_hold_is_known_from_the_name(name: str) -> None:
    assert expectations(name) == tuple(part.expect for part in scenario(name).parts)


def test_nothing_is_known_of_a_scenario_without_an_entry() -> None:
    assert expectations("of one's own") == ()


def test_a_scenario_needs_no_other_file_than_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entry alone makes it one that can be had, has a button and is asked."""
    button, asked = Button(0, "Mine", "Plays mine"), Asked(0.1, updates=3)
    entry = CatalogueEntry("Mine", SIX["sustained"].plan, 2, button=button, asked=asked)
    monkeypatch.setitem(ENTRIES, "mine", entry)  # type: ignore[arg-type]
    assert scenario("mine", updates=1).title == "Mine"
    assert next(iter(plays_of(ENTRIES).values())) == RunButton("mine", button)
    (question,) = questions_of({"mine": entry})
    assert (question.parameters.scenario, question.parameters.updates) == ("mine", 3)
