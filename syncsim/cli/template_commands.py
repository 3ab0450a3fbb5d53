"""The store by hand: list, history, diff, rollback, import, export."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncsim.cli import command_io, named_store
from syncsim.cli.application import app
from syncsim.cli.exported_file import envelope, read_exported
from syncsim.cli.options import (
    AsJson,
    AsUpdate,
    Base,
    Force,
    InFile,
    Limit,
    NewId,
    OldVersion,
    OutFile,
    StoreUrl,
    Template,
    User,
    Verbose,
    VersionA,
    VersionB,
    WithVersion,
)
from syncsim.contract import ABSENT, JSON, Outcome, Revision, Snapshot
from syncsim.errors import UsageError, VersionNotFoundError, excerpt
from syncsim.masking import masked

if TYPE_CHECKING:
    from syncsim.runtime.connection import Connection

READER: Final = "syncsim"
"""Under whose name the command line itself reads."""


@app.command("list", short_help="List the templates in the store.")
def list_(store: StoreUrl = None, as_json: AsJson = False, verbose: Verbose = False) -> int:
    """List every template in the store with its newest version, when it was written and by whom."""
    newest = {}
    if not named_store.is_missing(store):
        with _connect(store) as sync:
            newest = {name: sync.history(name, limit=1)[0] for name in sync.list_templates()}
    templates = [
        {
            "template_id": name,
            "version": revision.version,
            "updated_at": revision.at,
            "updated_by": revision.by,
        }
        for name, revision in newest.items()
    ]
    if as_json:
        command_io.print_json({"templates": templates})
    elif not templates:
        where = masked(named_store.url_of(store))
        adding = named_store.command("import", "FILE.json", "--user", "U", store=store)
        command_io.tell(f"no template yet in {where}; to add one: {adding}")
    else:
        from syncsim.cli import terminal

        terminal.open_console().print(terminal.templates_table(templates))
    return 0


@app.command()
def history(
    template: Template,
    limit: Limit = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """List the versions of a template, newest first."""
    named_store.check_holds_any(store, template)
    with _connect(store) as sync:
        versions = [_version(revision) for revision in sync.history(template, limit=limit)]
    if as_json:
        command_io.print_json({"template_id": template, "versions": versions})
    else:
        from syncsim.cli import terminal

        terminal.open_console().print(terminal.history_table(versions))
    return 0


@app.command(short_help="Show what differs between two versions.")
def diff(
    template: Template,
    a: VersionA,
    b: VersionB,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Show what leads from version A of a template to version B, a row per change."""
    named_store.check_holds_any(store, template)
    with _connect(store) as sync:
        changes = sync.diff(template, a, b)
        document = sync.get_template(template, user=READER).document
    if as_json:
        rows = [
            {"path": c.path, "kind": c.kind, "before": c.before, "after": c.after} for c in changes
        ]
        present = [{k: v for k, v in row.items() if v is not ABSENT} for row in rows]
        command_io.print_json({"template_id": template, "a": a, "b": b, "changes": present})
    elif not changes:
        command_io.tell(f"no difference between {a} and {b}")
    else:
        from syncsim.cli import terminal

        terminal.open_console().print(terminal.difference_table(changes, document))
    return 0


@app.command(short_help="Go back to an old version, as a new one.")
def rollback(
    template: Template,
    version: OldVersion,
    user: User,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Write a new version with the content of an old one; history keeps all that was in between."""
    named_store.check_holds_any(store, template)
    with _connect(store) as sync:
        before = sync.get_template(template, user=READER).version
        outcome = sync.rollback(template, version, user=user)
    if as_json:
        facts = {"template_id": template, "restored": version, "before": before}
        command_io.print_json({**facts, **_outcome(outcome)})
    elif outcome.status == "unchanged":
        command_io.tell(
            f"nothing to do: {template} is at {outcome.version}, which has that content"
        )
    else:
        undo = named_store.command("rollback", template, before, "--user", user, store=store)
        command_io.tell(
            f"{template} is now at version {outcome.version}, with the content of {version}"
        )
        command_io.tell(f"to undo: {undo}")
    return 0


@app.command("import", short_help="Put a JSON file into the store.")
def import_(
    file: InFile,
    user: User,
    template_id: NewId = None,
    update: AsUpdate = False,
    base: Base = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Check a JSON file and put it into the store as a new template.

    Nothing is written if anything in it breaks a rule. An id that is taken is an error unless
    --update is given; then what was changed since the file was exported is merged, and what others
    changed meanwhile stays. That needs the version it was exported at: from the file, where export
    wrote it --with-version, or from --base.
    """
    if base is not None and not update:
        raise UsageError("--base", base, "nothing without --update, as a new template has no base")
    if template_id is None and file == "-":
        raise UsageError("--id", None, "an id, since standard input has no name")
    found = read_exported(command_io.read_file(file), template_id or Path(file).stem)
    template_id = template_id or found.template_id or Path(file).stem
    made_against = found.base_for(template_id, base) if update else None
    with _connect(store) as sync:
        if update:
            seen = None if made_against is None else _snapshot(sync, template_id, made_against)
            outcome = sync.update_template(template_id, found.document, user=user, base=seen)
        else:
            created = sync.create_template(template_id, found.document, user=user)
            outcome = Outcome("committed", created.version, attempts=1)
    if as_json:
        command_io.print_json({"template_id": template_id, **_outcome(outcome)})
        return 0
    command_io.tell(f"{template_id} is at version {outcome.version} ({outcome.status})")
    for line in _meetings(outcome):
        command_io.tell(line)
    return 0


def _snapshot(sync: Connection, template_id: str, version: str) -> Snapshot:
    """The template as it was at this version."""
    past = sync._past.find(template_id, version)
    if past is None:
        sync.history(template_id, limit=1)  # an unknown template is the better complaint
        raise VersionNotFoundError(template_id, version)
    return Snapshot(template_id, version, past.document, past.at, past.by)


def _meetings(outcome: Outcome) -> Iterator[str]:
    """In words, the changes of others that an update kept, and the values that it overrode."""
    if outcome.merged:
        yield f"kept of what others changed: {', '.join(outcome.merged)}"
    for conflict in outcome.conflicts:
        whose = f" of {conflict.earlier_by}" if conflict.earlier_by else ""
        earlier, later = map(_shown, (conflict.earlier, conflict.later))
        yield f"overridden at {conflict.path}: {earlier}{whose}, now {later}"


def _shown(value: JSON) -> str:
    return "nothing" if value is ABSENT else excerpt(value)


@app.command(short_help="Write a template as JSON.")
def export(
    template: Template,
    file: OutFile = None,
    with_version: WithVersion = False,
    force: Force = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Write a template as indented JSON, as import reads it.

    What is to be edited and imported again is best written --with-version.
    """
    import orjson

    if file is not None:
        named_store.check_output(file, named_store.file_of(store))
    if file is not None and os.path.lexists(file) and not force:
        raise UsageError("FILE", str(file), "a file that does not exist yet, or --force")
    named_store.check_holds_any(store, template)
    with _connect(store) as sync:
        snapshot = sync.get_template(template, user=READER)
    content = envelope(snapshot) if with_version else snapshot.document
    body = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if file is not None:
        command_io.write_file(file, body)
    if as_json:
        facts = {"template_id": template, "version": snapshot.version, "file": str(file)}
        command_io.print_json(envelope(snapshot) if file is None else facts)
    elif file is None:
        sys.stdout.buffer.write(body)  # JSON is UTF-8, whatever the terminal takes
    else:
        command_io.tell(f"{template} at version {snapshot.version} is in {file}")
    return 0


def _connect(store: str | None) -> Connection:
    from syncsim.runtime.wiring import connect

    return connect(store)


def _version(revision: Revision) -> dict[str, JSON]:
    names = ("version", "revision", "parent", "by", "at", "update_id", "detail")
    return {name: getattr(revision, name) for name in names}


def _outcome(outcome: Outcome) -> dict[str, JSON]:
    return {
        "status": outcome.status,
        "version": outcome.version,
        "attempts": outcome.attempts,
        "merged": list(outcome.merged),
        "conflicts": [conflict.to_json() for conflict in outcome.conflicts],
    }
