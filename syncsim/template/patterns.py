"""Patterns that users wrote: compiled without a warning, searched without the risk of years.

Python's `re` warns of sets that a later version may read otherwise (`[[a-z]`, `[a&&b]`), and a
process may have made warnings errors, or print them. So that a pattern is valid in every process or
in none, sets are spelled out before `re` sees them: what stands for itself there is escaped, which
changes neither what the pattern means nor whether it compiles. Nothing is asked of the filters of
the process, which all its threads share.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = r"\\N\{[^}]*\}|\\."
_SET: Final = r"\[\^?\]?(?:\\.|[^\]\\])*\]?"
_MEMBER: Final = re.compile(rf"({_ESCAPE}|.)(?:-({_ESCAPE}|.))?", re.DOTALL)
"""A member of a set, or the two ends of a range."""

_TOKEN: Final = (
    rf"{_ESCAPE}|\(\?#[^)]*\)?|(?P<set>{_SET})|(?P<condition>\(\?\((?P<asked>[^)]*)\))"
    r"|\(\?(?P<on>[aiLmsux]*)(?:-(?P<off>[imsx]*))?:|(?P<open>\()|(?P<close>\))"
)
_TOKENS: Final = {
    False: re.compile(rf"{_TOKEN}|.", re.DOTALL),
    True: re.compile(rf"{_TOKEN}|#[^\n]*|.", re.DOTALL),
}
"""What a pattern consists of; one that is verbose has comments besides."""

_STARTS_VERBOSE: Final = re.compile(r"(?:\(\?#[^)]*\)|\(\?[aiLmsu]+\))*\(\?[aiLmsu]*x")
_MEANT_AS_IT_STANDS: Final = frozenset("[-&~|")


def compile_quietly(pattern: str) -> re.Pattern[str]:
    """What `re.compile` makes of it, never with a warning; raises `re.error` as that does.

    A condition on a group must name it by an identifier or in ASCII digits, as every Python from
    3.12 on demands.
    """
    return re.compile(_spelled_out(pattern))


def ends_soon(pattern: str, text: str) -> bool:
    """Whether a search ends soon: no group, no alternative, few repeats for the text's length.

    Patterns come from users and Python's matcher has no time limit: `(a+)+$` needs years for forty
    letters. Without groups the work is bounded: where to start, where each repeat ends, and the
    way through a fixed count such as `a{500}`.
    """
    bare = re.sub(rf"\\.|{_SET}", "", pattern, flags=re.DOTALL)
    repeats = sum(map(bare.count, "*+?,"))
    return not {"(", "|"} & set(bare) and (len(text) + 1) ** (repeats + 2) <= 10_000_000


def _spelled_out(pattern: str) -> str:
    """The same pattern with an escape wherever `re` would warn; comments are left alone."""
    verbose = [_STARTS_VERBOSE.match(pattern) is not None]  # of the open groups, innermost last
    parts: list[str] = []
    at = 0
    while token := _TOKENS[verbose[-1]].match(pattern, at):
        at = token.end()
        parts.append(token[0] if token["set"] is None else _spelled_out_set(token[0]))
        if token["condition"] is not None:
            name = token["asked"]
            if not (name.isidentifier() or (name.isascii() and name.isdecimal())):
                raise re.error("bad character in group name", pattern, token.start("asked"))
        if token["on"] is not None:
            switched_on = verbose[-1] or "x" in token["on"]
            verbose.append(switched_on and "x" not in (token["off"] or ""))
        elif token["open"] is not None or token["condition"] is not None:
            verbose.append(verbose[-1])
        elif token["close"] is not None and len(verbose) > 1:
            verbose.pop()
    return "".join(parts)


def _spelled_out_set(text: str) -> str:
    """What stands for itself is escaped; the hyphen of a range stays one."""
    begin = 2 if text.startswith("[^") else 1
    end = len(text) - 1 if text.endswith("]") and len(text) > begin else len(text)
    return text[:begin] + _MEMBER.sub(_spelled_out_member, text[begin:end]) + text[end:]


def _spelled_out_member(member: re.Match[str]) -> str:
    low, high = (f"\\{end}" if end in _MEANT_AS_IT_STANDS else end for end in member.groups(""))
    return f"{low}-{high}" if high else low
