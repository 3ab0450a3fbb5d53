"""syncsim: keep shared JSON templates in sync under concurrent edits, and see why it works.

The face of the package: names are loaded when first used, so that importing it costs next to
nothing. Everything else is reached through its module (`syncsim.contract`, `syncsim.errors`, ...).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncsim.contract import ABSENT, Conflict, Outcome, Snapshot
    from syncsim.errors import (
        InvalidTemplateError,
        RetriesExhaustedError,
        SyncError,
        TemplateExistsError,
        TemplateNotFoundError,
        VersionConflictError,
    )
    from syncsim.lab.engines.runner import run
    from syncsim.lab.simulation.explore import explore, replay
    from syncsim.merging import diff, merge
    from syncsim.runtime.wiring import connect
    from syncsim.service.retry import RetryPolicy
    from syncsim.service.service import build
    from syncsim.template.samples import generate, sample

_LAZY_NAMES = {
    "ABSENT": "contract",
    "Conflict": "contract",
    "InvalidTemplateError": "errors",
    "Outcome": "contract",
    "RetriesExhaustedError": "errors",
    "RetryPolicy": "service.retry",
    "Snapshot": "contract",
    "SyncError": "errors",
    "TemplateExistsError": "errors",
    "TemplateNotFoundError": "errors",
    "VersionConflictError": "errors",
    "build": "service.service",
    "connect": "runtime.wiring",
    "diff": "merging",
    "explore": "lab.simulation.explore",
    "generate": "template.samples",
    "merge": "merging",
    "replay": "lab.simulation.explore",
    "run": "lab.engines.runner",
    "sample": "template.samples",
}

__all__ = [
    "ABSENT",
    "Conflict",
    "InvalidTemplateError",
    "Outcome",
    "RetriesExhaustedError",
    "RetryPolicy",
    "Snapshot",
    "SyncError",
    "TemplateExistsError",
    "TemplateNotFoundError",
    "VersionConflictError",
    "build",
    "connect",
    "diff",
    "explore",
    "generate",
    "merge",
    "replay",
    "run",
    "sample",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("syncsim")
    if name not in _LAZY_NAMES:
        raise AttributeError(f"module 'syncsim' has no attribute {name!r}")
    found: object = getattr(import_module(f"syncsim.{_LAZY_NAMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
