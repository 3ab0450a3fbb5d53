"""A template as a file that a user exports, edits and imports: it names what it was made from.

Plain, it is the document. With its version it is an envelope, ``{"template_id": "form", "version":
"12-3f9a1c07", "document": {...}}``, which says what the edits were made against, so that what
others changed meanwhile stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from syncsim.contract import JSON, Document, Snapshot
from syncsim.errors import InvalidTemplateError, UsageError
from syncsim.template import encode, read_json
from syncsim.template.strict_json import MAX_DEPTH

HEAD: Final = "head"
"""What `--base` says for the newest version."""

_ENVELOPE: Final = {"template_id", "version", "document"}
_MARK: Final = b"\xef\xbb\xbf"
_OTHER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_BASE: Final = (
    "--base VERSION, the version that the file was exported at (--base head: the newest one), "
    "or a file that export wrote --with-version"
)


@dataclass(frozen=True)
class ExportedFile:
    """A valid document, its template and its version; both are None for a plain document."""

    document: Document
    template_id: str | None = None
    version: str | None = None

    def base_for(self, template_id: str, wanted: str | None) -> str | None:
        """The version that its edits are made against, None for the newest one.

        `wanted` is what `--base` said; a version that a file says is never more than the text of
        one. Raises `UsageError` where the base is unclear.
        """
        if self.template_id is not None and self.template_id != template_id:
            raise UsageError("--id", template_id, f"{self.template_id!r}, the template in the file")
        if self.version is not None and wanted not in (None, self.version):
            raise UsageError("--base", wanted, f"{self.version!r}, which the file says, or nothing")
        if self.version is not None:
            return self.version
        if wanted is None:
            raise UsageError("the base of an update", None, _BASE)
        return None if wanted == HEAD else wanted


def envelope(snapshot: Snapshot) -> dict[str, JSON]:
    """The template with what `read_exported` needs to know of it."""
    return {
        "template_id": snapshot.template_id,
        "version": snapshot.version,
        "document": snapshot.document,
    }


def read_exported(body: bytes, called: str | None) -> ExportedFile:
    """The document in a file, plain or in an envelope; `InvalidTemplateError` for any other.

    `called` is what errors call the template, unless the envelope names it. A UTF-8 byte order
    mark, as some editors write it, is passed over.
    """
    if body.startswith(_OTHER_MARKS) or b"\0" in body[:4]:
        raise InvalidTemplateError(called, "", body[:8], "UTF-8 (this is UTF-16 or UTF-32)")
    content = read_json(body.removeprefix(_MARK), called, MAX_DEPTH + 1)
    if not isinstance(content, dict) or content.keys() != _ENVELOPE:
        encode(content, called)
        return ExportedFile(content)
    for key in ("template_id", "version"):
        if not isinstance(content[key], str):
            raise InvalidTemplateError(called, f"/{key}", content[key], "text")
    encode(content["document"], called or content["template_id"])
    return ExportedFile(content["document"], content["template_id"], content["version"])
