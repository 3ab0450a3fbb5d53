"""Patterns of users: one answer whatever the warning filters, and the same set as `re` reads."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import warnings
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from syncsim import sample
from syncsim.template import validate
from syncsim.template.patterns import compile_quietly

WARNED_OF = ["[[a-z]", "[^[a]", "[a&&b]", "[a||b]", "[a~~b]", "[a--b]", "[+--]", "[--/]", "[[a"]


def with_pattern(pattern: str) -> Any:
    document = sample("contact_card")
    document["fields"][0]["validation"]["pattern"] = pattern
    return document


@pytest.mark.parametrize("pattern", WARNED_OF)
def test_a_pattern_is_valid_in_every_process_or_in_none(pattern: str) -> None:
    """What a fresh process prints, and says, does not depend on its warning filters."""
    code = (
        "import json, sys\n"
        "from syncsim.errors import InvalidTemplateError\n"
        "from syncsim.template import validate\n"
        "try: validate(json.load(sys.stdin)); print('valid')\n"
        "except InvalidTemplateError as error: print(error)\n"
    )
    document = json.dumps(with_pattern(pattern))
    answers = [
        subprocess.run(
            [sys.executable, "-W", filters, "-c", code],
            input=document,
            capture_output=True,
            text=True,
            check=True,
        )
        for filters in ("default", "error")
    ]
    assert answers[0].stdout == answers[1].stdout
    assert [answer.stderr for answer in answers] == ["", ""]


def test_a_default_is_held_against_a_pattern_without_a_warning() -> None:
    document = with_pattern("[[a-z]+")
    document["fields"][0]["default"] = "[abc"
    document["fields"][0]["validation"].pop("max_length", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        validate(document)


def meaning(pattern: str | re.Pattern[str]) -> str:
    text = pattern if isinstance(pattern, str) else pattern.pattern
    return str(parser.parse(text))


PIECES = [
    *"[]^-&~|ab#x \n()*+?:!",
    *("\\[", "\\]", "\\-", "\\\\", "\\w", "\\n", "[^", "[]", "--", "&&", "||", "~~", "[[", "a-z"),
    *("(?x)", "(?i)", "(?x:", "(?-x:", "(?i-x:", "(?#", "(?:", "(?=", "(?P<n>", "(?(n)", "(?(1)"),
    *("\\N{HYPHEN-MINUS}", "\\x41", "\\101", "#", "\n", ")", "]", "]"),
]


def test_what_is_compiled_means_what_python_reads_and_never_warns() -> None:
    """60,000 patterns of the pieces that matter, against `re` itself with its warnings off."""
    rng = random.Random(7)
    compiled = 0
    for _ in range(60_000):
        pattern = "".join(rng.choices(PIECES, k=rng.randint(1, 9)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = meaning(pattern)
                re.compile(pattern)
            except (re.error, OverflowError):
                expected = ""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = meaning(compile_quietly(pattern))
            except (re.error, OverflowError):
                found = ""
        assert found == expected, pattern
        compiled += bool(found)
    assert compiled > 10_000
