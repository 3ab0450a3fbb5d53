"""A store around another one that sees every call: recorded, simulated, watched, timed, renamed.

The store's verbs are written out here once. A store of the laboratory overrides `around`, so a new
verb of the store is one method more in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from syncsim.contract import (
    JSON,
    Document,
    Head,
    QueuedWrite,
    Revision,
    Row,
)
from syncsim.store.engines import FullStore
from syncsim.store.writes import Change

T = TypeVar("T")

ABILITIES: Final = ("revision", "find_update", "audit", "update_many")
"""Verbs that not every store has."""

WRITES: Final = frozenset({"create", "put", "compare_and_swap", "update_locked", "update_many"})


@dataclass(slots=True)
class StoreCall:
    """One call of the verb `name`; what `around` changes here is what the store underneath gets.

    A field that the verb does not take has its default. `version` is the one expected or asked for,
    `batch` the writes of `update_many`. `template_id` may be whatever a caller took for an id.
    """

    name: str
    template_id: Any = None
    by: str = ""
    update_id: Any = None
    version: str | None = None
    change: Any = None
    batch: Sequence[QueuedWrite] = ()
    timeout_s: float | None = None

    @property
    def writes(self) -> bool:
        """Whether it may change what the store holds."""
        return self.name in WRITES

    @property
    def attempts(self) -> Sequence[Any]:
        """The writes of a batch, else this call: each has a change, an author and an update id."""
        return self.batch if self.name == "update_many" else (self,)


class InterceptedStore:
    """`inner` with `around` in the way of every call; an ability that `inner` lacks is None."""

    def __init__(self, inner: Any) -> None:
        self._inner: FullStore = inner
        for ability in ABILITIES:
            if getattr(inner, ability, None) is None:
                setattr(self, ability, None)

    def around(self, call: StoreCall, do: Callable[[], T]) -> T:
        """Run `do`, which makes the call, and return its answer."""
        return do()

    # -- reads -------------------------------------------------------------------------------------

    def templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        return self.around(StoreCall("templates"), self._inner.templates)

    def read(self, template_id: str) -> Row:
        """The head with its document."""
        call = StoreCall("read", template_id)
        return self.around(call, lambda: self._inner.read(call.template_id))

    def head(self, template_id: str) -> Head:
        """The head without its document."""
        call = StoreCall("head", template_id)
        return self.around(call, lambda: self._inner.head(call.template_id))

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, newest first."""
        call = StoreCall("history", template_id)
        return self.around(call, lambda: self._inner.history(call.template_id, limit=limit))

    def audit(self, template_id: str, limit: int | None = None) -> Sequence[Any]:
        """The audit trail of the template, newest first."""
        call = StoreCall("audit", template_id)
        return self.around(call, lambda: self._inner.audit(call.template_id, limit))

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None."""
        call = StoreCall("revision", template_id, version=version)
        return self.around(call, lambda: self._inner.revision(call.template_id, version))

    def find_update(self, update_id: str) -> Revision | None:
        """The revision that this update committed, or None."""
        call = StoreCall("find_update", update_id=update_id)
        return self.around(call, lambda: self._inner.find_update(call.update_id))

    # -- writes ------------------------------------------------------------------------------------

    def create(
        self, template_id: str, document: Document, *, by: str, timeout_s: float | None = None
    ) -> Row:
        """Write the first version."""
        call = StoreCall("create", template_id, by, timeout_s=timeout_s)
        return self.around(
            call,
            lambda: self._inner.create(call.template_id, document, by=by, timeout_s=call.timeout_s),
        )

    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """Write over whatever is there."""
        call = StoreCall("put", template_id, by)
        return self.around(call, lambda: self._inner.put(call.template_id, document, by=by))

    def compare_and_swap(
        self,
        template_id: str,
        expected_version: str,
        document: Document,
        *,
        by: str,
        update_id: str | None = None,
        detail: JSON = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Write if the head is `expected_version`."""
        call = StoreCall(
            "compare_and_swap", template_id, by, update_id, expected_version, timeout_s=timeout_s
        )
        return self.around(
            call,
            lambda: self._inner.compare_and_swap(
                call.template_id,
                expected_version,
                document,
                by=by,
                update_id=call.update_id,
                detail=detail,
                timeout_s=call.timeout_s,
            ),
        )

    def update_locked(
        self,
        template_id: str,
        change: Change,
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Read, change and write under the write lock."""
        call = StoreCall(
            "update_locked", template_id, by, update_id, change=change, timeout_s=timeout_s
        )
        return self.around(
            call,
            lambda: self._inner.update_locked(
                call.template_id,
                call.change,
                by=by,
                update_id=call.update_id,
                timeout_s=call.timeout_s,
            ),
        )

    def update_many(
        self, template_id: str, writes: Sequence[QueuedWrite], *, timeout_s: float | None = None
    ) -> list[Row | Exception]:
        """Several such changes in one transaction."""
        call = StoreCall("update_many", template_id, batch=writes, timeout_s=timeout_s)
        return self.around(
            call,
            lambda: self._inner.update_many(call.template_id, call.batch, timeout_s=call.timeout_s),
        )
