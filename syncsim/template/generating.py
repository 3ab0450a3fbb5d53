"""Made-up templates of any size, the same ones for the same seed on every machine."""

from __future__ import annotations

from random import Random
from typing import Final

from syncsim import exact
from syncsim.contract import JSON, Document
from syncsim.errors import UsageError
from syncsim.template.schema import FIELD_TYPES, MAX_FIELDS

MIN_FIELDS: Final = 3

_TOPICS = (
    "Applicant", "Household", "Employer", "Vehicle", "Journey", "Equipment", "Training", "Budget",
    "Delivery", "Inspection", "Insurance", "Event", "Supplier", "Building", "Project", "Health",
)  # fmt: skip
_THINGS: Final[dict[str, tuple[str, ...]]] = {
    "text": ("name", "reference", "place", "contact person", "title", "serial number"),
    "long_text": ("remarks", "description", "reasons", "special arrangements"),
    "integer": ("number of people", "number of days", "floor", "year of purchase"),
    "number": ("cost in euros", "weight in kg", "length in m", "share in percent"),
    "boolean": ("is confirmed", "needs approval", "is paid for", "may be published"),
    "date": ("start", "end", "date of issue", "date of renewal"),
    "datetime": ("appointment", "arrival", "departure"),
    "email": ("e-mail", "e-mail for invoices"),
    "phone": ("telephone", "telephone at night"),
    "choice": ("status", "category", "priority", "method"),
    "multi_choice": ("languages", "weekdays", "features", "documents at hand"),
    "file": ("photograph", "plan", "signed copy"),
    "signature": ("signature", "signature of a witness"),
    "note": ("what to keep in mind", "how your answers are used"),
}
_OPTIONS = ("Standard", "Express", "On request", "Monthly", "Shared", "Private", "North", "South")
_HELP = (
    "As it stands on the document.",
    "A guess will do if you are not sure.",
    "Leave empty if it does not apply.",
    "One line for each of them.",
)


def generate(n_fields: int, seed: int) -> Document:
    """A valid template of 3 to 2,000 fields of all types, in about a tenth as many sections.

    The same `n_fields` and `seed` give the same template in every process. Raises `UsageError` for
    a count that is out of range.
    """
    if type(n_fields) is not int or not MIN_FIELDS <= n_fields <= MAX_FIELDS:
        raise UsageError("n_fields", n_fields, f"an integer from {MIN_FIELDS} to {MAX_FIELDS}")
    seed = exact.seed(seed)
    random = Random(f"{seed}/{n_fields}")
    sections = [_section(number, random) for number in range(1, n_fields // 10 + 2)][:200]
    fields = [_field(number, random.choice(sections), random) for number in range(1, n_fields + 1)]
    return {
        "schema_version": 1,
        "name": f"Generated template of {n_fields} fields",
        "description": "Made up by a seeded generator, for measuring and for trying things out.",
        "fields": fields,
        "sections": sections,
        "settings": {"locale": "en", "submit_label": "Send", "allow_drafts": random.random() < 0.5},
        "metadata": {
            "owner": "generator",
            "tags": ["generated"],
            "source": f"generate({n_fields}, {seed})",
            "license": "CC0-1.0",
            "not_official": True,
        },
    }


def _section(number: int, random: Random) -> dict[str, JSON]:
    topic = random.choice(_TOPICS)
    section = {"id": f"section_{number}", "title": f"{number}. {topic}"}
    if random.random() < 0.5:
        section["description"] = f"What we need to know about: {topic.lower()}."
    return section


def _field(number: int, section: dict[str, JSON], random: Random) -> dict[str, JSON]:
    kind = random.choice([*FIELD_TYPES])
    topic = section["title"].split(". ")[1]
    field: dict[str, JSON] = {
        "id": f"field_{number}",
        "section": section["id"],
        "label": f"{topic} {number}: {random.choice(_THINGS[kind])}",
        "type": kind,
    }
    if kind != "note":
        field["required"] = random.random() < 0.4
    if random.random() < 0.5:
        field["help"] = random.choice(_HELP)
    if FIELD_TYPES[kind].has_options:
        labels = random.sample(_OPTIONS, random.randint(2, 5))
        field["options"] = [{"value": label.lower(), "label": label} for label in labels]
    field.update(_rules(kind, field, random))
    return field


def _rules(kind: str, field: dict[str, JSON], random: Random) -> dict[str, JSON]:
    """Validation and default, for about half of the fields whose type has any."""
    if random.random() < 0.5:
        return {}
    low = random.randint(0, 9)
    high = low + random.randint(1, 90)
    match kind:
        case "text" | "long_text" | "email" | "phone":
            return {"validation": {"min_length": low, "max_length": high + 20}}
        case "integer":
            return {"validation": {"minimum": low, "maximum": high}, "default": low}
        case "number":
            return {"validation": {"minimum": low, "maximum": high + 0.5}, "default": low + 0.25}
        case "boolean":
            return {"default": random.random() < 0.5}
        case "date":
            return {"validation": {"minimum": f"20{low + 10}-01-01"}}
        case "choice":
            return {"default": random.choice(field["options"])["value"]}
        case "multi_choice":
            return {"validation": {"min_items": 1, "max_items": len(field["options"])}}
        case _:
            return {}
