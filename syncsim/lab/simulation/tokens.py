"""A run as a short text: scenario, parameters, solution and draws; handed on, it is the same run.

    s1.<checksum><base64 of the deflated JSON>

A token says what it belongs to, so that it is refused with a reason where it cannot be replayed.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from syncsim.contract import JSON
from syncsim.errors import UsageError
from syncsim.lab.simulation.choices import Choice, trimmed

FORMAT: Final = "s1"
"""The version of the format, in front of every token."""

MAX_SIZE_BYTES: Final = 2**20
"""What a token may unfold to; more is no token of ours."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token holds. `parameters` are those of the scenario, salt included, as plain JSON.

    `solution` names the program that ran, `fingerprint` its text.
    """

    scenario: str
    parameters: Mapping[str, JSON]
    solution: str
    fingerprint: str
    choices: tuple[Choice, ...]

    def __str__(self) -> str:
        labels, draws = _packed(trimmed(self.choices))
        record = [self.scenario, self.parameters, self.solution, self.fingerprint, labels, draws]
        body = zlib.compress(orjson.dumps(record, option=orjson.OPT_SORT_KEYS), 9)
        text = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return f"{FORMAT}.{zlib.crc32(body):08x}{text}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """The token of this text; `UsageError` for one that is damaged or of another version."""
        version, dot, rest = text.strip().partition(".")
        if not dot or not version[:1] == "s" or not version[1:].isdecimal():
            raise UsageError("token", text, f"a text beginning with '{FORMAT}.', as explore prints")
        if version != FORMAT:
            raise UsageError(
                "token",
                text,
                f"a token of format {FORMAT}: this one was made by another version of syncsim; "
                "explore again",
            )
        try:
            body = base64.urlsafe_b64decode(rest[8:] + "=" * (-len(rest[8:]) % 4))
            if f"{zlib.crc32(body):08x}" != rest[:8]:
                raise ValueError("the checksum differs")
            unfolding = zlib.decompressobj()
            record = orjson.loads(unfolding.decompress(body, MAX_SIZE_BYTES))
            scenario, parameters, solution, fingerprint, labels, draws = record
            choices = _unpacked(labels, draws)
        except (ValueError, TypeError, IndexError, binascii.Error, zlib.error) as error:
            raise UsageError(
                "token", text, f"all of a token, from its first letter to its last ({error})"
            ) from None
        return cls(scenario, parameters, solution, fingerprint, choices)

    def check(self, *, scenario: str, solution: str, fingerprint: str) -> None:
        """`UsageError` unless the token is of this scenario and of this very solution."""
        if self.scenario != scenario:
            raise UsageError(
                "token", self._short, f"one of {scenario!r}; this is one of {self.scenario!r}"
            )
        if self.fingerprint != fingerprint:
            raise UsageError(
                "token",
                self._short,
                f"one of {solution} as it is now ({fingerprint}); this is one of "
                f"{self.solution} ({self.fingerprint}). Replay it with that program, "
                "or explore again",
            )

    @property
    def _short(self) -> str:
        text = str(self)
        return text if len(text) <= 24 else f"{text[:21]}..."


def _packed(choices: Sequence[Choice]) -> tuple[list[str], list[int]]:
    """The labels in order of appearance, and three numbers per draw: label, bound, value."""
    labels = list(dict.fromkeys(choice.label for choice in choices))
    place = {label: number for number, label in enumerate(labels)}
    draws = [n for choice in choices for n in (place[choice.label], choice.bound, choice.value)]
    return labels, draws


def _unpacked(labels: Sequence[str], draws: Sequence[int]) -> tuple[Choice, ...]:
    if len(draws) % 3:
        raise ValueError("a draw is incomplete")
    threes = zip(draws[0::3], draws[1::3], draws[2::3], strict=True)
    return tuple(Choice(labels[label], bound, value) for label, bound, value in threes)
