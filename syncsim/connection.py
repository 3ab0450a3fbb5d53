"""The connected object: the reference service, the store by hand, and the parts it closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from syncsim.arguments import check_version
from syncsim.contract import BACKGROUND, JSON, Document, Environment, Snapshot
from syncsim.errors import VersionNotFoundError
from syncsim.events import BoundedEventLog
from syncsim.events.metrics import Metrics
from syncsim.events.stdlib_logging import forward_to_logging
from syncsim.events.telemetry import forward_to_opentelemetry
from syncsim.events.tracing import Trace, trace
from syncsim.freshness import CacheState
from syncsim.merging import Change, diff
from syncsim.service import SyncService
from syncsim.template import check_template_id, check_update_id, check_user, validate


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
        check_template_id(template_id)
        check_user(user)
        deadline = self._now() + self._deadline_s
        valid = validate(document, template_id)
        timeout_s = max(deadline - self._now(), 0.0)
        row = self._store.create(template_id, valid, by=user, timeout_s=timeout_s)
        self.reads.learn(row, user)
        self._emit("template.created", template_id=template_id, user=user, version=row.version)
        return Snapshot(template_id, row.version, row.document, row.updated_at, row.updated_by)

    def list_templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        return self._store.templates()

    def diff(self, template_id: str, a: str, b: str) -> tuple[Change, ...]:
        """What differs between two versions, row by row; `VersionNotFoundError` if unknown."""
        check_template_id(template_id)
        check_version(a, "a")
        check_version(b, "b")
        return diff(self._document(template_id, a), self._document(template_id, b))

    def _document(self, template_id: str, version: str) -> Document:
        revision = self._past.find(template_id, version)
        if revision is None:
            self._store.head(template_id)  # an unknown template is the better complaint
            raise VersionNotFoundError(template_id, version)
        return revision.document

    def cache_states(self, template_id: str) -> dict[str, CacheState]:
        """Per user, the background job included: Fresh, Stale or Empty, with version and age."""
        check_template_id(template_id)
        return self.reads.states(template_id, (*self._env.users, BACKGROUND))

    def metrics(self) -> dict[str, JSON]:
        """Counters, success and hit rates, latency percentiles, throughput; see `Metrics`."""
        return self._metrics.snapshot()

    def trace(self, update_id: str) -> Trace | None:
        """What became of an update: its spans while remembered, at least its commit for ever.

        None means that no update of this id has been committed, and that this process has not
        seen one begin.
        """
        check_update_id(update_id)
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
