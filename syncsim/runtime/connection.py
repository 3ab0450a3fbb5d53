"""The connected object: the reference service, the store by hand, and the parts it closes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from syncsim.contract import BACKGROUND, JSON, Document, Environment, Snapshot
from syncsim.errors import UsageError, VersionNotFoundError
from syncsim.events import BoundedEventLog
from syncsim.events.metrics import Metrics
from syncsim.events.stdlib_logging import forward_to_logging
from syncsim.events.telemetry import forward_to_opentelemetry
from syncsim.events.tracing import Trace, trace
from syncsim.merging import Change, diff
from syncsim.service.arguments import check_version
from syncsim.service.reads import CacheState
from syncsim.service.service import SyncService
from syncsim.system.paths import is_path, settled_path
from syncsim.template import check_template_id, check_update_id, check_user, validate

if TYPE_CHECKING:
    from syncsim.store.copies import Restored
    from syncsim.store.verifying import Progress, Verification


def _in_a_file(store: Any, what: str) -> Any:
    """The store, which has these abilities only where it keeps its templates in a file."""
    if not hasattr(store, what):
        expected = "a store in a file; what memory:// holds ends with the process, so export it"
        raise UsageError(what, "memory://", expected)
    return store


def _file(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a file, `~` included; `UsageError` for what can be none."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not text or not is_path(text):
        raise UsageError("path", path, "the path of a file")
    return settled_path(text, "path")


class Connection(SyncService):
    """What `connect` returns. A context manager; every method may be called from any thread."""

    def __init__(
        self,
        env: Environment,
        log: BoundedEventLog,
        *,
        on_close: Callable[[], None],
        **settings: Any,
    ) -> None:
        super().__init__(env, **settings)
        self.events = log
        self._metrics = Metrics(log)
        forward_to_logging(log)
        forward_to_opentelemetry(log)
        self._on_close = on_close

    def create_template(self, template_id: str, document: Document, *, user: str) -> Snapshot:
        """Write the first version; raises `TemplateExistsError` where there is one.

        `StoreUnavailableError` where its turn to write did not come within `deadline_s`.
        """
        template_id = check_template_id(template_id)
        user = check_user(user)
        deadline = self._now() + self._deadline_s
        valid = validate(document, template_id)
        timeout_s = max(deadline - self._now(), 0.0)
        row = self._store.create(template_id, valid, by=user, timeout_s=timeout_s)
        self.reads.after_commit(row, user)
        self._sights.committed(row)
        self._emit("template.created", template_id=template_id, user=user, version=row.version)
        return Snapshot(template_id, row.version, row.document, row.updated_at, row.updated_by)

    def list_templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        return self._store.templates()

    def diff(self, template_id: str, a: str, b: str) -> tuple[Change, ...]:
        """What differs between two versions, row by row; `VersionNotFoundError` if unknown."""
        template_id = check_template_id(template_id)
        a, b = check_version(a, "a"), check_version(b, "b")
        return diff(self._document(template_id, a), self._document(template_id, b))

    def _document(self, template_id: str, version: str) -> Document:
        revision = self._past.find(template_id, version)
        if revision is None:
            self._store.head(template_id)  # an unknown template is the better complaint
            raise VersionNotFoundError(template_id, version)
        return revision.document

    def cache_states(self, template_id: str) -> dict[str, CacheState]:
        """Per user, the background job included: Fresh, Stale or Empty, with version and age."""
        template_id = check_template_id(template_id)
        return self.reads.states(template_id, (*self._env.users, BACKGROUND))

    def backup(
        self,
        path: str | os.PathLike[str],
        *,
        force: bool = False,
        progress: Progress = None,
    ) -> Verification:
        """Write a whole, verified copy of the store to a file, also while others write.

        `force` replaces a file that is there. `progress(done, of)` counts pages. Raises
        `UsageError` for a file that cannot be the copy, and for ``memory://``;
        `StoreUnavailableError` where the store is damaged or the copy cannot be written.
        """
        store = _in_a_file(self._store, "backup")
        done: Verification = store.backup(_file(path), force=force, progress=progress)
        return done

    def restore(self, path: str | os.PathLike[str], *, progress: Progress = None) -> Restored:
        """Put the content of a backup in the place of all there is, in one commit.

        Others go on with what was restored; what was there lies in a file beside the store, which
        the answer names. Raises `UsageError` and `StoreUnavailableError` as `backup` does; then
        nothing has changed.
        """
        store = _in_a_file(self._store, "restore")
        done: Restored = store.restore(_file(path), progress=progress)
        return done

    def verify(self, *, progress: Progress = None) -> Verification:
        """Read every row of the store, and say what is not as it was committed."""
        found: Verification = _in_a_file(self._store, "verify").verify(progress=progress)
        return found

    def metrics(self) -> dict[str, JSON]:
        """Counters, success and hit rates, latency percentiles, throughput; see `Metrics`."""
        return self._metrics.snapshot()

    def trace(self, update_id: str) -> Trace | None:
        """What became of an update: its spans while remembered, at least its commit always.

        None means that no update of this id has been committed, and that this process has not
        seen one begin.
        """
        update_id = check_update_id(update_id)
        return trace(self.events.read(), update_id, self._past.find_update(update_id))

    def close(self) -> None:
        """Write what only memory holds to the caches, then close them and the store; idempotent."""
        self.reads.flush()
        self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
