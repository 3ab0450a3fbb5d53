"""The shipped templates and edit traces are what they say they are, and nobody can spoil them."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncsim.errors import UsageError
from syncsim.merging import merge, overlay
from syncsim.template import encode, parse
from syncsim.template.samples import (
    changes_of,
    edit_trace,
    edit_trace_names,
    generate,
    sample,
    sample_names,
)

DATA = Path(__file__).parent.parent / "data"
SIZES = {
    "contact_card": (3, 1),
    "bug_report": (11, 3),
    "event_registration": (16, 4),
    "taxpayer_id": (20, 4),
    "patient_intake": (45, 7),
    "employment_eligibility": (75, 5),
    "building_elevation": (130, 8),
    "background_questionnaire": (300, 29),
}


# -- templates -------------------------------------------------------------------------------------


def test_the_samples_are_the_files_in_the_folder() -> None:
    assert sample_names() == [*SIZES]
    assert {path.stem for path in DATA.glob("*.json")} == {*SIZES, "template.schema"}


@pytest.mark.parametrize("name", SIZES)
def test_a_sample_is_valid_and_of_the_size_it_says(name: str) -> None:
    document = sample(name)
    body = encode(document)
    assert (len(document["fields"]), len(document["sections"])) == SIZES[name]
    row = next(line for line in (DATA / "SOURCES.md").read_text().splitlines() if name in line)
    assert f"| {SIZES[name][0]} / {SIZES[name][1]} | {len(body):,} |" in row


@pytest.mark.parametrize("name", SIZES)
def test_a_sample_is_a_form_that_somebody_could_fill(name: str) -> None:
    """No section is empty, no two fields of one have the same label, choices are choices."""
    document = sample(name)
    labels = Counter((field["section"], field["label"]) for field in document["fields"])
    assert labels.most_common(1)[0][1] == 1
    assert {field["section"] for field in document["fields"]} == {
        section["id"] for section in document["sections"]
    }
    titles = [section["title"] for section in document["sections"]]
    assert len(set(titles)) == len(titles)
    for field in document["fields"]:
        options = [option["label"] for option in field.get("options", [])]
        assert len(set(options)) == len(options)
        assert len(options) != 1
        assert field["label"] == field["label"].strip()
    assert document["metadata"]["license"] == "CC0-1.0"
    assert document["metadata"]["not_official"] is True
    assert document["metadata"]["source"]


def test_the_samples_use_every_type_of_field() -> None:
    kinds = {field["type"] for name in SIZES for field in sample(name)["fields"]}
    assert kinds == {
        "text", "long_text", "integer", "number", "boolean", "date", "email", "phone", "choice",
        "multi_choice", "file", "signature", "note", "datetime",
    }  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_a_sample_file_is_readable_text(name: str) -> None:
    """Two spaces, real newlines, no escapes, in Unicode normal form C."""
    text = (DATA / f"{name}.json").read_bytes().decode()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    assert unicodedata.is_normalized("NFC", text)
    assert parse(text) == sample(name)


def test_every_sample_is_a_copy_of_the_callers_own() -> None:
    first = sample("contact_card")
    first["fields"][0]["label"] = "Spoilt"
    first["metadata"]["tags"].append("spoilt")
    assert sample("contact_card")["fields"][0]["label"] == "Full name"
    assert "spoilt" not in sample("contact_card")["metadata"]["tags"]


@pytest.mark.parametrize("name", ["", "contact card", "../LICENSE", "template.schema", None, []])
def test_an_unknown_sample_names_those_that_there_are(name: Any) -> None:
    with pytest.raises(UsageError, match="one of contact_card, bug_report, event_registration"):
        sample(name)


def test_the_licence_is_the_one_that_the_samples_name() -> None:
    assert "CC0 1.0 Universal" in (DATA / "LICENSE").read_text("utf-8")


# -- generated templates ---------------------------------------------------------------------------


@given(st.integers(3, 300), st.integers())
@settings(max_examples=60)
def test_a_generated_template_is_valid_and_has_that_many_fields(n_fields: int, seed: int) -> None:
    document = generate(n_fields, seed)
    assert len(document["fields"]) == n_fields
    assert parse(encode(document)) == document
    assert encode(document) == encode(generate(n_fields, seed))


def test_the_largest_generated_template_fits_the_limits() -> None:
    document = generate(2000, 5)
    assert len(document["sections"]) == 200
    encode(document)


def test_another_seed_makes_another_template() -> None:
    assert len({encode(generate(20, seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize("n_fields", [2, 2001, -1, 3.0, True, None, "3"])
def test_a_count_out_of_range_is_refused(n_fields: Any) -> None:
    with pytest.raises(UsageError, match="an integer from 3 to 2000"):
        generate(n_fields, 1)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_generates_the_same_template(hash_seed: str) -> None:
    code = (
        "import sys; from syncsim.template import encode;"
        "from syncsim.template.samples import generate;"
        "sys.stdout.buffer.write(encode(generate(120, 9)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": hash_seed},
        cwd=DATA.parent,
    )
    assert out.stdout == encode(generate(120, 9))


# -- edit traces -----------------------------------------------------------------------------------


def test_the_traces_are_the_files_in_the_folder() -> None:
    assert {path.stem for path in (DATA / "edits").glob("*.jsonl")} == {*edit_trace_names()}


@pytest.mark.parametrize("name", edit_trace_names())
def test_a_trace_is_in_order_and_by_several_users_on_one_template(name: str) -> None:
    rows = edit_trace(name)
    assert all({*row} == {"template_id", "user", "at_ms", "base", "edits"} for row in rows)
    assert [row["at_ms"] for row in rows] == sorted(row["at_ms"] for row in rows)
    assert len({row["user"] for row in rows}) > 1
    assert {row["template_id"] for row in rows} < {*sample_names()}
    assert len({row["template_id"] for row in rows}) == 1
    assert all(1 <= row["base"] <= number for number, row in enumerate(rows, start=1))
    assert any(row["base"] < number for number, row in enumerate(rows, start=1))


@pytest.mark.parametrize("name", edit_trace_names())
def test_each_row_of_a_trace_changes_its_base_into_a_valid_document(name: str) -> None:
    """Laid over the base and merged into the head, the rows meet the conflicts of their name."""
    rows = edit_trace(name)
    documents = [sample(rows[0]["template_id"])]
    kinds = set()
    for row in rows:
        base = documents[row["base"] - 1]
        before = encode(base)
        later = overlay(base, changes_of(row["edits"], base))
        assert encode(later) != before == encode(base)
        merged = merge(base, documents[-1], later)
        encode(merged.document)
        kinds |= {conflict.kind for conflict in merged.conflicts}
        documents.append(merged.document)
    wanted = {"reorder-war": "order", "delete-against-edit": "delete-edit", "undo-storm": "edit"}
    assert kinds
    assert wanted.get(name, "") in {*kinds, ""}


def test_a_burst_of_rapid_fire_is_ten_saves_within_a_second() -> None:
    times = [row["at_ms"] for row in edit_trace("rapid-fire")]
    assert all(times[start + 9] - times[start] < 1000 for start in (0, 10, 20))


def test_an_office_hour_lasts_an_hour() -> None:
    times = [row["at_ms"] for row in edit_trace("office-hour")]
    assert 50 * 60_000 < times[-1] - times[0] < 60 * 60_000


def test_changes_hold_the_top_level_keys_that_an_edit_touches_and_no_others() -> None:
    base = sample("contact_card")
    edits = [
        {"set": "/name", "to": "Card"},
        {"set": "/fields/email/label", "to": "Mail"},
        {"insert": "/fields", "after": None, "to": {"id": "title"}},
        {"insert": "/fields", "after": "title", "to": {"id": "suffix"}},
        {"move": "/fields/email", "after": "phone"},
        {"move": "/fields/suffix", "after": None},
        {"remove": "/fields/full_name"},
        {"remove": "/fields/phone/help"},
    ]
    changes = changes_of(edits, base)
    assert {*changes} == {"name", "fields"}
    assert [field["id"] for field in changes["fields"]] == ["suffix", "title", "phone", "email"]
    assert "help" not in changes["fields"][2]
    assert changes["fields"][3]["label"] == "Mail"
    assert base == sample("contact_card")


@pytest.mark.parametrize(
    "edit",
    [
        {"set": "/fields/fax/label", "to": "Fax"},
        {"remove": "/fields/fax"},
        {"move": "/fields/email", "after": "fax"},
        {"insert": "/nothing", "after": None, "to": 1},
        {"paint": "/fields"},
    ],
)
def test_an_edit_of_something_that_is_not_there_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="edit"):
        changes_of([edit], sample("contact_card"))


def test_an_unknown_trace_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="one of office-hour, rapid-fire"):
        edit_trace("lunch")
