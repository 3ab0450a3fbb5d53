"""The template document: what it may hold, its bytes and hash, the samples that are shipped.

`rules` is the table language, `schema` the table, `document` the bytes, `known` the memory of what
passed; `strict_json` reads what comes from outside, `frozen` is what a view shows. The face is what
a store or a service needs.
"""

from __future__ import annotations

from syncsim.template.document import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_SECTIONS,
    canonical,
    check_json,
    check_template_id,
    check_update_id,
    check_user,
    content_hash,
    encode,
    json_schema,
    parse,
    read_json,
    validate,
    version_token,
    view,
)

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FIELDS",
    "MAX_SECTIONS",
    "canonical",
    "check_json",
    "check_template_id",
    "check_update_id",
    "check_user",
    "content_hash",
    "encode",
    "json_schema",
    "parse",
    "read_json",
    "validate",
    "version_token",
    "view",
]
