"""A template that goes out as a file, is edited, and comes back beside what others did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syncsim import connect, sample
from syncsim.cli import main


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call_main(*words: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *capsys.readouterr())

    return call_main


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store with the template `form`, which Ben may change while Ann's file is out."""
    url = f"sqlite:///{tmp_path}/t.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNCSIM_STORE_URL", url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with connect(url, cache=tmp_path / "c") as connected:
        connected.create_template("form", sample("contact_card"), user="ann")
        connected.create_template("other", sample("contact_card"), user="ann")
        yield connected


def bens_work(sync: Any) -> str:
    fields = sync.get_template("form", user="ben").document["fields"]
    fax = {"id": "fax", "section": fields[0]["section"], "label": "Fax", "type": "text"}
    changes = {"name": "Ben's name", "description": "Ben's", "fields": [*fields, fax]}
    version: str = sync.update_template("form", changes, user="ben").version
    return version


def edit(file: str, **keys: Any) -> None:
    content = json.loads(Path(file).read_text())
    content.get("document", content).update(keys)
    Path(file).write_text(json.dumps(content))


def head(sync: Any) -> Any:
    return sync.get_template("form", user="cid").document


def update(call: Call, *words: str, user: str = "ann") -> Ended:
    return call("import", "form.json", "--user", user, "--update", *words)


def test_what_others_changed_while_the_file_was_out_stays(sync: Any, call: Call) -> None:
    assert call("export", "form", "form.json", "--with-version").code == 0
    bens_work(sync)
    edit("form.json", description="Ann's")
    code, out, _ = update(call)
    assert code == 0
    assert head(sync)["name"] == "Ben's name"
    assert head(sync)["description"] == "Ann's"
    assert "fax" in [field["id"] for field in head(sync)["fields"]]
    lines = out.splitlines()
    assert lines[0].endswith("(committed)")
    assert lines[1] == "kept of what others changed: /fields/fax, /name"
    assert lines[2] == 'overridden at /description: "Ben\'s" of ben, now "Ann\'s"'
    assert len(lines) == 3


def test_with_json_the_same_is_said_in_keys(sync: Any, call: Call) -> None:
    call("export", "form", "form.json", "--with-version")
    bens_work(sync)
    edit("form.json", description="Ann's")
    answer = json.loads(update(call, "--json").out)
    assert (answer["template_id"], answer["status"]) == ("form", "committed")
    assert answer["merged"] == ["/fields/fax", "/name"]
    assert [conflict["path"] for conflict in answer["conflicts"]] == ["/description"]


def test_a_plain_file_needs_its_base_on_the_command_line(sync: Any, call: Call) -> None:
    exported = json.loads(call("export", "form", "form.json", "--json").out)
    assert json.loads(Path("form.json").read_text()) == sample("contact_card")
    newest = bens_work(sync)
    edit("form.json", description="Ann's")
    code, out, err = update(call)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--base VERSION" in err
    assert "--with-version" in err
    assert sync.history("form")[0].version == newest
    assert update(call, "--base", exported["version"]).code == 0
    assert head(sync)["name"] == "Ben's name"
    assert head(sync)["description"] == "Ann's"


def test_head_says_that_the_newest_version_is_meant(sync: Any, call: Call) -> None:
    call("export", "form", "form.json")
    bens_work(sync)
    assert update(call, "--base", "head").code == 0
    assert head(sync) == sample("contact_card")
    assert "unchanged" in update(call, "--base", "head").out


@pytest.mark.parametrize("version", [True, False])
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_what_export_prints_is_what_import_reads(
    version: bool, words: tuple[str, ...], sync: Any, call: Call
) -> None:
    printed = call("export", "form", *(["--with-version"] if version else []), *words).out
    content = json.loads(printed)
    if version or words:
        assert content == {
            "template_id": "form",
            "version": sync.history("form")[0].version,
            "document": sample("contact_card"),
        }
    else:
        assert content == sample("contact_card")
    Path("copy.json").write_text(printed)
    assert call("import", "copy.json", "--id", "copy", "--user", "ann").code == 0
    assert sync.get_template("copy", user="ann").document == sample("contact_card")


def test_a_file_that_says_its_template_needs_no_name(sync: Any, call: Call) -> None:
    call("export", "form", "anything.json", "--with-version")
    edit("anything.json", name="Ann's")
    assert call("import", "anything.json", "--user", "ann", "--update").code == 0
    assert head(sync)["name"] == "Ann's"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--id", "other"], 2, "'form'"),
        (["--base", "2-00000000"], 2, "--base cannot be '2-00000000'"),
        (["--base", "head"], 2, "--base cannot be 'head'"),
    ],
)
def test_a_file_and_options_that_contradict_each_other_are_refused(
    words: list[str], code: int, says: str, sync: Any, call: Call
) -> None:
    call("export", "form", "form.json", "--with-version")
    edit("form.json", name="Ann's")
    ended = update(call, *words)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)
    assert says in ended.err
    assert head(sync) == sample("contact_card")


def test_the_base_of_the_file_may_be_said_twice(sync: Any, call: Call) -> None:
    call("export", "form", "form.json", "--with-version")
    edit("form.json", name="Ann's")
    assert update(call, "--base", sync.history("form")[0].version).code == 0


@pytest.mark.parametrize("version", ["9-12345678", "", "nonsense"])
def test_a_base_that_the_template_never_had_is_refused(version: str, sync: Any, call: Call) -> None:
    call("export", "form", "form.json")
    edit("form.json", name="Ann's")
    code, _, err = update(call, "--base", version)
    assert (code, err.count("\n")) == (1, 1)
    assert "syncsim history" in err
    Path("form.json").write_text(
        json.dumps({"template_id": "form", "version": version, "document": sample("contact_card")})
    )
    assert update(call).code == 1
    assert head(sync) == sample("contact_card")


@pytest.mark.parametrize("words", [(), ("--base", "head")])
def test_a_file_cannot_say_that_the_newest_version_is_its_base(
    words: tuple[str, ...], sync: Any, call: Call
) -> None:
    """Only `--base head` sets others back; what a file calls its version is no word of ours."""
    bens_work(sync)
    Path("form.json").write_text(
        json.dumps({"template_id": "form", "version": "head", "document": sample("contact_card")})
    )
    code, out, err = update(call, *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "has no version 'head'" in err
    assert head(sync)["name"] == "Ben's name"


def test_one_version_of_a_long_history_is_looked_up_alone(
    sync: Any, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncsim.store.sqlite import SQLiteStore

    call("export", "form", "form.json", "--with-version")
    bens_work(sync)
    edit("form.json", description="Ann's")
    whole = SQLiteStore.history

    def limited(self: Any, template_id: str, *, limit: int | None = None) -> Any:
        assert limit is not None, "the whole history was read"
        return whole(self, template_id, limit=limit)

    monkeypatch.setattr(SQLiteStore, "history", limited)
    assert update(call).code == 0


def test_a_base_without_an_update_is_refused(sync: Any, call: Call) -> None:
    call("export", "form", "form.json")
    code, _, err = call("import", "form.json", "--id", "new", "--user", "ann", "--base", "head")
    assert code == 2
    assert "--update" in err


@pytest.mark.parametrize(
    "content",
    [
        {"template_id": "form", "version": 5, "document": sample("contact_card")},
        {"template_id": None, "version": "1-x", "document": sample("contact_card")},
        {"template_id": "form", "version": "1-x", "document": [1]},
        {"template_id": "form", "version": "1-x", "document": {"name": "x"}},
        {"template_id": "form", "version": "1-x"},
        {"template_id": "form", "version": "1-x", "document": sample("contact_card"), "x": 1},
        {"document": {"document": sample("contact_card")}},
        [],
        5,
    ],
    ids=str,
)
def test_what_is_neither_a_document_nor_one_with_its_version_is_refused(
    content: Any, sync: Any, call: Call
) -> None:
    Path("form.json").write_text(json.dumps(content))
    for words in (("--id", "new", "--user", "u"), ("--user", "u", "--update", "--base", "head")):
        code, out, err = call("import", "form.json", *words)
        assert (code, out, err.count("\n")) == (1, "", 1)
    assert len(sync.history("form")) == 1


def test_a_document_as_deep_as_may_be_fits_into_an_envelope(sync: Any, call: Call) -> None:
    deep: Any = 1
    for _ in range(6):
        deep = [deep]
    sync.update_template("form", {"settings": {"x_deep": deep}}, user="ben")
    call("export", "form", "form.json", "--with-version")
    assert "unchanged" in update(call).out


@pytest.mark.parametrize("words", [(), ("--with-version",)])
def test_a_byte_order_mark_is_passed_over(words: tuple[str, ...], sync: Any, call: Call) -> None:
    call("export", "form", "form.json", *words)
    file = Path("form.json")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert call("import", "form.json", "--id", "copy", "--user", "ann").code == 0
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert call("import", "form.json", "--id", "twice", "--user", "ann").code == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_another_encoding_is_refused_by_its_name(encoding: str, sync: Any, call: Call) -> None:
    Path("form.json").write_bytes(json.dumps(sample("contact_card")).encode(encoding))
    code, out, err = call("import", "form.json", "--id", "new", "--user", "ann")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "UTF-8" in err
    assert "UTF-16" in err
