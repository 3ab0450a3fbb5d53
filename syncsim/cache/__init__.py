"""The caches on disk, one per user: `CacheFolder` gives each a `UserCache` on a safe diskcache."""

from __future__ import annotations

from syncsim.cache.folder import CacheFolder
from syncsim.cache.safe_disk import SafeDisk
from syncsim.cache.user_cache import UserCache

__all__ = ["CacheFolder", "SafeDisk", "UserCache"]
