"""The verbs check arguments first, and refuse what they could not honour with a `UsageError`.

Each check answers the argument as a plain value; what a subclass overrides is neither run nor kept.

Names and ids of templates, users and updates are judged where they are defined (`template`),
changes where they are applied (`edits`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from syncsim import exact
from syncsim.contract import Snapshot
from syncsim.errors import UsageError
from syncsim.service.retry import RetryPolicy

LONGEST_S: Final = 1e9
"""Some thirty years: more than any cooldown or deadline, and far from what arithmetic overflows."""


def check_base(template_id: str, base: Any) -> Snapshot | None:
    """A snapshot of this template, or None; its document is looked at when it is needed."""
    if base is None:
        return None
    if type(base) is not Snapshot or exact.text(base.template_id) != template_id:
        raise UsageError("base", base, f"a Snapshot of template {template_id!r}, or None")
    if type(base.version) is str:
        return base
    return replace(base, version=check_version(base.version, "the version of base"))


def check_version(version: Any, argument: str = "version") -> str:
    """A version as plain text; that a template has it is another question."""
    return check_text(argument, version, "text, as in the version of a Snapshot")


def check_settings(retry: Any, cooldown_s: Any, deadline_s: Any) -> dict[str, Any]:
    """What a service is built with. No time at all is no deadline."""
    return {
        "retry": check_retry(retry),
        "cooldown_s": check_seconds("cooldown_s", cooldown_s),
        "deadline_s": check_seconds("deadline_s", deadline_s, zero=False),
    }


def check_text(argument: str, value: Any, expected: str) -> str:
    """The text as plain text; `UsageError` for what is none."""
    text = exact.text(value)
    if text is None:
        raise UsageError(argument, value, expected)
    return text


def check_retry(retry: Any) -> RetryPolicy | None:
    """A policy, by its name too, or None."""
    if retry is None or type(retry) is RetryPolicy:
        return retry
    if (name := exact.text(retry)) is not None:
        return RetryPolicy.parse(name)
    raise UsageError("retry", retry, "a RetryPolicy, the name of one, or None")


def check_seconds(argument: str, value: Any, *, zero: bool = True) -> float:
    """A time in seconds as a plain number; `zero`: no time at all is a time, too."""
    seconds = exact.number(value)
    if seconds is None or not 0 <= seconds <= LONGEST_S or (seconds == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        raise UsageError(argument, value, f"a number of seconds, {least}")
    return seconds
