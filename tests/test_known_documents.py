"""Documents decoded once: what comes out is what the bytes say, and equal parts are one object."""

from __future__ import annotations

import orjson

from syncsim.lab.history.records import digest
from syncsim.lab.simulation import known_documents
from syncsim.lab.simulation.known_documents import KnownDocuments

FIRST = {"name": "a", "fields": [{"id": "x", "n": 1}, {"id": "y", "n": 2}], "settings": {}}
SECOND = {"name": "b", "fields": [{"id": "x", "n": 1.0}, {"id": "y", "n": 2}], "settings": {}}


def test_a_document_is_what_its_body_says() -> None:
    """1 and 1.0 are different text, so they never stand in for each other."""
    known = KnownDocuments()
    for document in (FIRST, SECOND, FIRST):
        body = orjson.dumps(document)
        assert orjson.dumps(known.document(body)) == body
        assert known.digest(body) == digest(document)


def test_equal_parts_of_two_documents_are_one_object() -> None:
    known = KnownDocuments()
    first, second = (known.document(orjson.dumps(document)) for document in (FIRST, SECOND))
    assert first["fields"][1] is second["fields"][1]
    assert first["settings"] is second["settings"]
    assert first["fields"][0] is not second["fields"][0]


def test_memory_is_bounded() -> None:
    """However many documents a long exploration commits."""
    known = KnownDocuments()
    for number in range(2 * known_documents.MOST):
        known.digest(orjson.dumps({"n": number, "fields": [{"id": str(number)}]}))
    kept = (known._documents, known._digests, known._parts)
    assert all(0 < len(memory) <= known_documents.MOST for memory in kept)
