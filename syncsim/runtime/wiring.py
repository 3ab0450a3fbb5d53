"""Pick the parts: a URL becomes a store, a folder becomes caches, a name becomes a policy."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from syncsim import exact
from syncsim.cache import CacheFolder
from syncsim.errors import StoreUnavailableError, UsageError
from syncsim.events import BoundedEventLog
from syncsim.masking import masked
from syncsim.runtime.connection import Connection
from syncsim.runtime.environment import LiveEnvironment, SystemClock
from syncsim.service.arguments import check_settings
from syncsim.service.retry import RetryPolicy
from syncsim.service.service import COOLDOWN_S, DEADLINE_S
from syncsim.store.address import is_url
from syncsim.store.engines import locate
from syncsim.system.paths import is_path, settled_path


class OpenEnvironment(LiveEnvironment):
    """A live environment together with the parts to close at its end."""

    def __init__(
        self,
        url: str | None,
        cache: Path | str | None,
        users: tuple[str, ...],
        seed: str | int | None,
    ) -> None:
        folder = _cache_folder(cache)
        with ExitStack() as parts:
            clock = SystemClock()
            store, locks = locate(default_url() if url is None else url).open(clock)
            parts.callback(store.close)
            caches = CacheFolder(folder)
            parts.callback(caches.close)
            self.log = BoundedEventLog(clock)
            super().__init__(
                store,
                users=users,
                clock=clock,
                rng=random.Random(seed),
                events=self.log,
                cache_of=caches.of,
                locks=locks,
            )
            self.close: Callable[[], None] = parts.pop_all().close


def default_url() -> str:
    """``SYNCSIM_STORE_URL``, else a SQLite file in the user's data folder, which is made.

    Raises `StoreUnavailableError` where that folder cannot be made.
    """
    url = os.environ.get("SYNCSIM_STORE_URL")
    if url:
        return url
    from platformdirs import user_data_path

    try:
        folder = user_data_path("syncsim", ensure_exists=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: no home folder is known
        raise StoreUnavailableError(
            None, f"the user's data folder cannot be made ({error}); name a file by its URL"
        ) from error
    return f"sqlite:///{folder / 'templates.db'}"


def _cache_folder(cache: Path | str | None) -> Path | None:
    """The folder of the caches, absolute; `UsageError` for what can be none, such as a URL."""
    if cache is None:
        return None
    text = exact.path(cache)
    if not text or not is_path(text) or is_url(text):
        shown = masked(text) if text else cache
        raise UsageError("cache", shown, "a folder, or None for the user's cache folder")
    return settled_path(text, "cache")


def open_environment(
    url: str | None = None,
    *,
    cache: Path | str | None = None,
    users: tuple[str, ...] = (),
    seed: str | int | None = None,
) -> OpenEnvironment:
    """Real parts for a solution: store, caches, locks, clock; `close()` it at the end."""
    return OpenEnvironment(url, cache, users, seed)


def connect(
    url: str | None = None,
    *,
    cache: Path | str | None = None,
    retry: RetryPolicy | str | None = None,
    cooldown_s: float = COOLDOWN_S,
    deadline_s: float = DEADLINE_S,
) -> Connection:
    """Open a store of templates and everything around it; close it, or use it in a `with`.

    `url`: ``sqlite:///templates.db``, with ``?synchronous=NORMAL`` for faster and less durable
    commits (the default FULL survives a power cut); ``memory://`` for a store that ends with the
    process; None for ``SYNCSIM_STORE_URL`` or else a file in the user's data folder. `cache`: the
    folder of the per-user caches, None for the user's cache folder. `retry`: a policy or its name
    (``third``, ``full/queue=2``). Times in seconds. Relative paths and ``~`` mean what they mean
    now, whatever folder the program is in later.

        with connect("sqlite:///templates.db") as sync:
            base = sync.get_template("event_registration", user="ann")
            sync.update_template("event_registration", {"name": "New"}, user="ann", base=base)
    """
    settings = check_settings(retry, cooldown_s, deadline_s)
    env = open_environment(url, cache=cache)
    return Connection(
        env,
        env.log,
        on_close=env.close,
        **settings,
    )
