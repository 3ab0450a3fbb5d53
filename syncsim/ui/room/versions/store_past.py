"""The past of a real store, by its URL: read it, roll a template back, restore a lost value.

Every write is an ordinary update under the name it was opened with, by the reference service.
"""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Self

from syncsim.contract import Outcome
from syncsim.errors import UsageError
from syncsim.masking import masked
from syncsim.runtime.wiring import connect, default_url
from syncsim.store.engines import locate
from syncsim.template import check_user
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.versions.restoring import Lost, changes_to_restore

if TYPE_CHECKING:
    from syncsim.runtime.connection import Connection

USER = "room"

NO_STORE = (
    "The store of this run is gone: it was simulated, or a temporary file. "
    "Play on a store URL of your own to restore values and to roll back."
)


class StorePast:
    """A connection for looking back; safe to call from any thread, to be closed or used in a with.

    `user` is who restores and rolls back. `connection`: one that is open already, for a store that
    is not reached by a URL; it stays open. Caches are in a temporary folder of its own.
    `UsageError` for a store that is not there, as looking back makes none; for `memory://`, which a
    second connection would find empty; and as `connect`.
    """

    def __init__(
        self, url: str | None = None, *, user: str = USER, connection: Connection | None = None
    ) -> None:
        check_user(user)
        if connection is None:
            url = default_url() if url is None else url
            location = locate(url)
            if not location.engine.outlives_process:
                raise UsageError("store URL", url, "a file, as memory ends with who opened it")
            path = location.path
            if path is not None and not path.exists():
                raise UsageError(
                    "store URL", masked(url), f"a store that is there: {path} does not exist"
                )
        self.user = user
        self._folder: TemporaryDirectory[str] | None = None
        if connection is None:
            self._folder = TemporaryDirectory(prefix="syncsim-past-", ignore_cleanup_errors=True)
            try:
                connection = connect(url, cache=self._folder.name)
            except BaseException:
                self._folder.cleanup()
                raise
        self._sync = connection

    def templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        return self._sync.list_templates()

    def record(self, template_id: str, *, limit: int | None = None) -> RunView:
        """Its versions, oldest first, the newest `limit` if given; `TemplateNotFoundError`."""
        return RunView((), list(self._sync.history(template_id, limit=limit))[::-1])

    def restore(self, lost: Lost) -> Outcome:
        """Commit the lost value again, as a change of the present head.

        `UsageError` where it has no place any more; `InvalidTemplateError` where the template would
        no longer be valid; otherwise as `update_template`.
        """
        head = self._sync.get_template(lost.template_id, user=self.user)
        changes = changes_to_restore(head.document, lost)
        return self._sync.update_template(lost.template_id, changes, user=self.user, base=head)

    def rollback(self, template_id: str, version: str) -> Outcome:
        """Commit the content of an old version as a new one; nothing is deleted."""
        return self._sync.rollback(template_id, version, user=self.user)

    def close(self) -> None:
        """Close what was opened here; a second call does nothing."""
        if self._folder is not None:
            self._sync.close()
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
