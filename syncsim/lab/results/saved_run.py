"""Read a run that `run --save` wrote, or refuse the file with a sentence that says why.

The file may have been cut, edited, or made by another program: what cannot be honoured is refused
with the place where it stands, so that code which shows a run may trust its records' types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from syncsim.contract import JSON
from syncsim.errors import UsageError
from syncsim.lab.history.findings import TITLES, Finding
from syncsim.lab.history.records import Attempt, Commit, Operation
from syncsim.lab.history.records import Final as Head
from syncsim.lab.results.run import FORMAT, Run, Setting

MAX_BYTES: Final = 512 * 1024 * 1024
"""A run of a million updates is smaller; what is longer is no run."""

_EXPECTED: Final = "what `syncsim run --save FILE` writes, complete"


class _Event(TypedDict):
    seq: int
    kind: str
    at: float
    user: str | None
    update_id: str | None
    template_id: str | None
    facts: dict[str, Any]


class _Finding(TypedDict):
    code: str
    kind: str
    message: str
    operations: list[str]
    token: str | None


class _History(TypedDict):
    operations: list[Operation]
    attempts: list[Attempt]
    commits: list[Commit]
    finals: list[Head]
    events: list[_Event]
    ids: dict[str, str]


class _Saved(TypedDict):
    findings: list[_Finding]
    duration_s: float
    token: str | None
    history: _History


def read_run(body: bytes, what: str = "the saved run") -> Run:
    """The run that these bytes hold; `UsageError` for anything else, which calls them `what`.

    That is: what is no JSON, a JSON without the format's name, a later format, missing or added
    keys, values of another type. A number that is not finite reads as missing.
    """
    if len(body) > MAX_BYTES:
        raise UsageError(what, f"{len(body):,} bytes or more", f"at most {MAX_BYTES:,} bytes")
    try:
        record = json.loads(body, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise UsageError(what, "JSON nested too deep", _EXPECTED) from None
    except ValueError as error:  # not UTF-8, too
        raise UsageError(what, _said(error), f"JSON: {_EXPECTED}") from None
    found = record.get("format") if isinstance(record, Mapping) else record
    if _is_later(found):
        raise UsageError(
            what, found, f"format {FORMAT!r}; a newer syncsim saved it, so read it with that one"
        )
    if found == FORMAT:
        _check(record, what)
    return Run.from_json(record)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def _is_later(found: JSON) -> bool:
    name, _, number = FORMAT.partition("/")
    later = re.fullmatch(rf"{name}/([0-9]{{1,9}})", found) if isinstance(found, str) else None
    return later is not None and int(later[1]) > int(number)


def _said(error: ValueError) -> str:
    """The decoder's message, `Expecting value: line 1 column 1 (char 0)`, without the input."""
    return str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__


def _check_documents(history: Mapping[str, JSON], what: str) -> None:
    """Refuse a text that is no UTF-8 and a number of more than 64 bits, as every store does."""
    for kind, key in (("commits", "document"), ("operations", "changes")):
        for place, one in enumerate(history[kind]):
            try:
                orjson.dumps(one.get(key))
            except TypeError as error:
                expected = f"{_EXPECTED} ({error})"
                where = f"/history/{kind}/{place}/{key} in {what}"
                raise UsageError(where, one[key], expected) from None


def _check(record: Mapping[str, JSON], what: str) -> None:
    """Check the types of everything that is shown; pydantic is loaded only where a file is read."""
    from pydantic import TypeAdapter, ValidationError

    # Strict in JSON: a list may be a tuple, a text is no number. A solution may have said half a
    # surrogate pair, which is no UTF-8; it is a text all the same.
    plain = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
    try:
        TypeAdapter(_Saved).validate_json(plain, strict=True)
        TypeAdapter(Setting).validate_json(plain, strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = "/".join(map(str, ("", *fault["loc"])))
        expected = f"{_EXPECTED} ({fault['msg'].lower()})"
        found = "missing" if fault["type"] == "missing" else fault["input"]
        raise UsageError(f"{place} in {what}", found, expected) from None
    _check_documents(record["history"], what)
    codes = {*TITLES, "note", "inconclusive"}
    for finding in map(Finding.from_json, record["findings"]):
        if finding.code not in codes:
            raise UsageError(what, finding.code, "findings with a code of the rubric")
