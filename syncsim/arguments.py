"""What the verbs refuse at the door: arguments that nobody could honour, each with a `UsageError`.

Names and ids of templates, users and updates are judged where they are defined (`template`),
changes where they are applied (`intent`).
"""

from __future__ import annotations

from typing import Any, Final

from syncsim.contract import Snapshot
from syncsim.errors import UsageError
from syncsim.retry import RetryPolicy

LONGEST_S: Final = 1e9
"""Some thirty years: more than any cooldown or deadline, and far from what arithmetic overflows."""


def check_base(template_id: str, base: Any) -> None:
    """Refuse a base that is no snapshot of this template; its document is looked at when needed."""
    if base is None:
        return
    if not isinstance(base, Snapshot) or not (
        isinstance(base.template_id, str) and base.template_id == template_id
    ):
        raise UsageError("base", base, f"a Snapshot of template {template_id!r}, or None")
    check_version(base.version, "the version of base")


def check_version(version: Any, argument: str = "version") -> None:
    """Refuse what is no text; that a template has the version is another question."""
    if not isinstance(version, str):
        raise UsageError(argument, version, "text, as in the version of a Snapshot")


def check_settings(retry: Any, cooldown_s: Any, deadline_s: Any) -> None:
    """Refuse what a service cannot be built with. No time at all is no deadline."""
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise UsageError("retry", retry, "a RetryPolicy or None; connect() takes its name, too")
    if not _is_time(cooldown_s):
        raise UsageError("cooldown_s", cooldown_s, "a number of seconds, zero or more")
    if not _is_time(deadline_s) or deadline_s == 0:
        raise UsageError("deadline_s", deadline_s, "a number of seconds, more than zero")


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and bool(0 <= value <= LONGEST_S)
