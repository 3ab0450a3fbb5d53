"""Every way a verb can fail, as one tree. Facts are attributes, the text is built from them.

`definite` says whether the operation surely wrote nothing; `retryable` whether trying again can
help. Retry code looks at these two and never at driver classes. Every error survives pickling.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from syncsim.masking import masked_within

_MASKED: Final = 2_000
"""How much of a value is looked at for URLs: more than is ever shown of it."""


class SyncError(Exception):
    """The root. Subclasses name their facts as keywords and build the text in `_explain`.

    The text shows no password of a URL.
    """

    definite: ClassVar[bool] = True
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        self.facts: dict[str, Any] = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(masked_within(message if message is not None else self._explain()))

    def _explain(self) -> str:
        """What happened, the values, what to do next."""
        return "the template could not be synchronised"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args[0], self.facts))


def _rebuild(kind: type[SyncError], message: str, facts: dict[str, Any]) -> SyncError:
    error = kind.__new__(kind)
    SyncError.__init__(error, message, **facts)
    return error


def excerpt(value: Any, limit: int = 80) -> str:
    """A value as short text, for error messages; of what cannot be shown, its type.

    URLs are masked before they are cut, for without its @ a password is not known as one.
    """
    try:
        text = masked_within(str.__str__(repr(value))[:_MASKED])  # repr may answer a subclass
    except Exception:  # nested too deep, an int of 5,000 digits, a __repr__ that fails
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _seconds(value: Any) -> str:
    return f"{value:.3f} s" if isinstance(value, int | float) else "an unknown time"


def _version(value: Any) -> str:
    """A version as it is; what can be no version, as an excerpt."""
    plain = type(value) is str and len(value) <= 80 and value.isprintable()
    return value if plain else excerpt(value)


class TemplateNotFoundError(SyncError, LookupError):
    """The store has no template of this id."""

    template_id: str

    def __init__(self, template_id: str, **facts: Any) -> None:
        super().__init__(template_id=template_id, **facts)

    def _explain(self) -> str:
        return (
            f"template {excerpt(self.template_id)} does not exist; create it first, "
            "or list_templates() for what there is"
        )


class VersionNotFoundError(SyncError, LookupError):
    """A template has no version of this token."""

    template_id: str
    version: str

    def __init__(self, template_id: str, version: str, **facts: Any) -> None:
        super().__init__(template_id=template_id, version=version, **facts)

    def _explain(self) -> str:
        return (
            f"template {self.template_id!r} has no version {excerpt(self.version)}; "
            "history(template_id) lists those it has"
        )


class TemplateExistsError(SyncError):
    """A template of this id is there already."""

    template_id: str
    version: str | None

    def __init__(self, template_id: str, version: str | None = None, **facts: Any) -> None:
        super().__init__(template_id=template_id, version=version, **facts)

    def _explain(self) -> str:
        return (
            f"template {excerpt(self.template_id)} exists already, at version {self.version}; "
            "update it, or choose another id"
        )


class InvalidTemplateError(SyncError, ValueError):
    """A document or a change breaks a rule of the template schema; nothing was written."""

    template_id: str | None
    path: str
    value: str
    expected: str

    def __init__(
        self, template_id: str | None, path: str, value: Any, expected: str, **facts: Any
    ) -> None:
        short = value if type(value) is str and len(value) <= 80 else excerpt(value)
        super().__init__(
            template_id=template_id, path=path, value=short, expected=expected, **facts
        )

    def _explain(self) -> str:
        where = "the document" if self.template_id is None else f"template {self.template_id!r}"
        return (
            f"{where} is not valid at {self.path or '/'}: {self.value} is not allowed; "
            f"expected {self.expected}. Nothing was written"
        )


class VersionConflictError(SyncError):
    """Someone committed since the version that the caller expected; nothing was written."""

    retryable = True
    template_id: str
    expected: str | None
    actual: str | None

    def __init__(
        self, template_id: str, expected: str | None, actual: str | None, **facts: Any
    ) -> None:
        super().__init__(template_id=template_id, expected=expected, actual=actual, **facts)

    def _explain(self) -> str:
        return (
            f"template {excerpt(self.template_id)} is at version {_version(self.actual)}, "
            f"not {_version(self.expected)}: "
            "someone saved since you read it; read again and merge, or use update_template(), "
            "which does so"
        )


class RetriesExhaustedError(SyncError):
    """Every permitted attempt lost, or the deadline passed; nothing was written."""

    retryable = True
    template_id: str
    attempts: int
    waited_s: float
    last_expected: str | None
    last_actual: str | None

    def __init__(
        self,
        template_id: str,
        attempts: int,
        waited_s: float,
        last_expected: str | None,
        last_actual: str | None,
        **facts: Any,
    ) -> None:
        super().__init__(
            template_id=template_id,
            attempts=attempts,
            waited_s=waited_s,
            last_expected=last_expected,
            last_actual=last_actual,
            **facts,
        )

    def _explain(self) -> str:
        return (
            f"gave up on template {self.template_id!r} after {self.attempts} attempts and "
            f"{_seconds(self.waited_s)} of waiting: the last one expected version "
            f"{self.last_expected} and found {self.last_actual}; nothing was written. "
            "Read again and try later, or use a retry policy that queues"
        )


class StoreUnavailableError(SyncError, OSError):
    """The store could not be reached, opened, read or written; nothing was written.

    `damaged`: its file does not hold what was committed; a backup is needed.
    """

    retryable = True
    damaged = False
    template_id: str | None
    reason: str

    def __init__(self, template_id: str | None, reason: str, **facts: Any) -> None:
        SyncError.__init__(self, template_id=template_id, reason=reason, **facts)

    def _explain(self) -> str:
        what = f" for template {self.template_id!r}" if self.template_id is not None else ""
        tried = self.facts.get("attempts")
        after = f" after {tried} attempts" if tried else ""
        return f"the store cannot be used{what}{after}: {self.reason}"

    def __str__(self) -> str:  # OSError would print its own fields
        return str(self.args[0])


class OutcomeUnknownError(SyncError):
    """The write was sent and the answer lost: it may or may not have been committed."""

    definite = False
    template_id: str
    update_id: str

    def __init__(self, template_id: str, update_id: str, **facts: Any) -> None:
        super().__init__(template_id=template_id, update_id=update_id, **facts)

    def _explain(self) -> str:
        return (
            f"whether update {self.update_id} of template {self.template_id!r} was committed is "
            "not known; ask trace(update_id), or repeat the update under the same update_id, "
            "which cannot apply it twice"
        )


class UpdateIdReusedError(SyncError, ValueError):
    """An update id that has committed came back with another intent; nothing was written."""

    template_id: str
    update_id: str
    version: str | None

    def __init__(self, template_id: str, update_id: str, version: str | None, **facts: Any) -> None:
        super().__init__(template_id=template_id, update_id=update_id, version=version, **facts)

    def _explain(self) -> str:
        return (
            f"update id {excerpt(self.update_id)} was used for another change of template "
            f"{self.template_id!r}, committed as version {self.version}; use a new id, "
            "or repeat the same changes against the same base"
        )


class CacheError(SyncError):
    """A cache call failed, perhaps after it took effect; a verb bypasses the cache and goes on."""

    definite = False
    retryable = True
    reason: str

    def __init__(self, reason: str = "the cache could not be used", **facts: Any) -> None:
        super().__init__(reason=reason, **facts)

    def _explain(self) -> str:
        return f"the cache cannot be used: {self.reason}; the store is asked instead"


class LockTimeoutError(SyncError, TimeoutError):
    """A named lock was not free in time; nothing was written."""

    retryable = True
    name: str
    timeout_s: float

    def __init__(self, name: str, timeout_s: float, **facts: Any) -> None:
        SyncError.__init__(self, name=name, timeout_s=timeout_s, **facts)

    def _explain(self) -> str:
        return (
            f"lock {self.name!r} was not free within {_seconds(self.timeout_s)}: "
            "whoever holds it is slow or stuck; try again, or allow more time"
        )

    def __str__(self) -> str:
        return str(self.args[0])


class UsageError(SyncError, ValueError):
    """An argument that cannot be honoured: an odd user name, an unknown policy, a bad URL."""

    argument: str
    value: str
    expected: str

    def __init__(self, argument: str, value: Any, expected: str, **facts: Any) -> None:
        super().__init__(argument=argument, value=excerpt(value), expected=expected, **facts)

    def _explain(self) -> str:
        return f"{self.argument} cannot be {self.value}: expected {self.expected}"


class MissingExtraError(SyncError, ImportError):
    """A part of the package needs libraries that are not installed."""

    extra: str
    needed_for: str

    def __init__(self, extra: str, needed_for: str, **facts: Any) -> None:
        SyncError.__init__(self, extra=extra, needed_for=needed_for, **facts)

    def _explain(self) -> str:
        return (
            f"{self.needed_for} needs the '{self.extra}' extra: pip install 'syncsim[{self.extra}]'"
        )

    def __str__(self) -> str:
        return str(self.args[0])
