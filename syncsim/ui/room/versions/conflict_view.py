"""The conflict view: before, what each side made of it, and the result; field by field. Pure.

    Before  | User A's change | User B's change | Result        ✓ Both changes preserved
    Before  | Earlier, not kept | Later, kept   | Result        ✗ 1 value overridden

HTML needs `look.STYLE` once a page. All that a template, a user or a solution wrote is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from syncsim.contract import JSON
from syncsim.events.live_log import clock_time
from syncsim.ui.drawing import counted, person
from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.room.versions.look import toned
from syncsim.ui.room.versions.resolutions import FATES, Fate, Leaf, Resolution, chosen
from syncsim.ui.room.versions.value_cells import (
    UNCHANGED,
    change_cell,
    json_text,
    moved_cell,
    value_cell,
)
from syncsim.ui.room.versions.word_marks import marked_text, visible

MOST_CARDS: Final = 5
"""Updates that the view shows in full when none is selected, the newest first."""

MOST_LEAVES: Final = 60
"""Places that a card shows; the table has them all."""

MOST_NAMED: Final = 4

BOTH_PRESERVED: Final = "✓ Both changes preserved"


def conflict_view(record: RunView, selected: str | None = None, *, level: int = 4) -> str:
    """How the selected update was resolved, as HTML; without one, the newest that met others.

    `selected`: the id of an update, as its events bear it, an operation's or a version. `level` is
    that of the headings: one below what the view stands under.
    """
    found = chosen(record, selected)
    if not found:
        return _card("Conflicts", f"<p>{toned('idle', '○', _nothing(record, selected))}</p>", level)
    if selected:
        return "".join(resolution_card(one, level=level) for one in found)
    newest = found[::-1]
    more = len(newest) - MOST_CARDS
    rest = f"<p>{more} earlier ones: select an update, or see the table.</p>" if more > 0 else ""
    return _card("Conflicts", f"<p>{summary(found)}</p>{rest}", level) + "".join(
        resolution_card(one, level=level) for one in newest[:MOST_CARDS]
    )


def summary(found: Sequence[Resolution]) -> str:
    """How many versions met others and what became of that, as HTML.

    What was lost without a record is looked for in the newest `MOST_CARDS`, which are shown below;
    of those before them it says only what they recorded.
    """
    met = [one for one in found if one.has_met]
    if not met:
        return toned("idle", "○", "No version has met another: each was made against the head")
    shown = met[-MOST_CARDS:]
    unsaid = [len(one.of("set back")) for one in shown]
    overridden = sum(len(one.conflicts) for one in met)
    clean = sum(not one.conflicts for one in met)
    clean -= sum(not one.conflicts and bool(lost) for one, lost in zip(shown, unsaid, strict=True))
    is_all = len(shown) == len(met)
    told = [f"{counted(len(met), 'version')} met changes that others had committed since:"]
    if clean:
        words = f"{clean} without a conflict" if is_all else f"{clean} recorded no conflict"
        told.append(toned("merged", "⊕", words))
    if overridden:
        told.append(toned("conflict", "✗", f"{counted(overridden, 'value')} overridden"))
    if any(unsaid):
        where = "" if is_all else f" in the newest {len(shown)}"
        lost = f"{counted(sum(unsaid), 'change')} lost without a record{where}"
        told.append(toned("conflict", "✗", lost))
    return " ".join(told)


def resolution_card(one: Resolution, *, level: int = 4) -> str:
    """One version: who made it against what, whom it met, and every place either side changed."""
    shown = one.leaves[:MOST_LEAVES]
    groups = "".join(_group(one, fate, [x for x in shown if x.fate == fate]) for fate in FATES)
    more = len(one.leaves) - len(shown)
    cut = f"<p>{more} more places: see the table.</p>" if more > 0 else ""
    table = (
        '<div class="sync-scroll" tabindex="0" role="group" aria-label="Fields">'
        f'<table class="sync-fields">{groups}</table></div>{cut}'
        if shown
        else ""
    )
    title = f"{_who(one.version)}: {escape(visible(one.version.version))}"
    return _card(title, f"<p>{_told(one)}</p><p>{verdict(one)}</p>{table}", level)


def verdict(one: Resolution) -> str:
    """What became of the changes, in sign and words, as HTML."""
    if not one.has_met:
        return toned("idle", "○", "Nobody else had committed since its base")
    told = []
    lost, taken, unsaid = (len(one.of(f)) for f in ("overridden", "taken back", "set back"))
    if unsaid:
        told.append(toned("conflict", "✗", f"{counted(unsaid, 'change')} lost without a record"))
    if lost:
        told.append(toned("conflict", "✗", f"{counted(lost, 'value')} overridden"))
    if taken:
        told.append(toned("conflict", "✗", f"{counted(taken, 'change')} taken back"))
    kept = one.of("preserved")
    if not told:
        return f'<b class="sync-committed">{BOTH_PRESERVED}</b>'
    if kept:
        told.append(toned("committed", "✓", f"{counted(len(kept), 'other change')} preserved"))
    return "; ".join(told)


# -- as rows ---------------------------------------------------------------------------------------


def conflict_rows(
    record: RunView, selected: str | None = None, *, most: int | None = None
) -> list[dict[str, JSON]]:
    """A row per place of each chosen version that met others, oldest first, for tables and export.

    Values are JSON text, `absent` where there is none; `words` marks a changed text as
    `[-old-]{+new+}`. `kept`: earlier, later, or both where nothing was lost. `most`: only the
    newest rows, without working out the others.
    """
    groups: list[list[dict[str, JSON]]] = []
    total = 0
    for one in reversed(chosen(record, selected)):
        if most is not None and total >= most:
            break
        if one.has_met or selected:
            groups.append([_row(one, leaf) for leaf in one.leaves])
            total += len(groups[-1])
    rows = [row for group in reversed(groups) for row in group]
    return rows if most is None else rows[max(total - most, 0) :]


def _row(one: Resolution, leaf: Leaf) -> dict[str, JSON]:
    text = isinstance(leaf.before, str) and isinstance(leaf.result, str)
    return {
        "template": one.version.template_id,
        "version": one.version.version,
        "field": leaf.label,
        "path": leaf.path,
        "change": leaf.change,
        "fate": leaf.fate,
        "kept": leaf.kept,
        "before": json_text(leaf.before),
        "earlier": json_text(leaf.earlier),
        "earlier_by": leaf.earlier_by,
        "earlier_version": leaf.earlier_version,
        "later": json_text(leaf.later),
        "later_by": one.version.by,
        "result": json_text(leaf.result),
        "words": marked_text(leaf.before, leaf.result) if text else None,
        "base": None if one.base is None else one.base.version,
        "update_id": one.version.update_id,
        "at": one.version.at,
    }


# -- the parts of a card ---------------------------------------------------------------------------


def _group(one: Resolution, fate: Fate, leaves: Sequence[Leaf]) -> str:
    """The rows of one fate under a header that says whose value was kept."""
    if not leaves:
        return ""
    first, second = _sides(one, fate)
    heads = ("Before", first, second, "Result")
    columns = "".join(f'<th scope="col">{escape(visible(head))}</th>' for head in heads)
    title = _title(one, fate, len(leaves))
    rows = "".join(_leaf_row(one, leaf, heads) for leaf in leaves)
    return f'<tbody><tr><th scope="colgroup">{title}</th>{columns}</tr>{rows}</tbody>'


def _title(one: Resolution, fate: Fate, number: int) -> str:
    match fate:
        case "overridden":
            return toned("conflict", "✗", f"Overridden ({number})")
        case "taken back":
            return toned("conflict", "✗", f"Taken back, to keep the template valid ({number})")
        case "set back":
            return toned("conflict", "✗", f"Lost without a record ({number})")
        case _ if not one.has_met:
            return toned("committed", "✓", f"Changed ({number})")
        case _:
            return f'<b class="sync-committed">{BOTH_PRESERVED} ({number})</b>'


def _sides(one: Resolution, fate: Fate) -> tuple[str, str]:
    match fate:
        case "overridden" | "set back":
            return "Earlier, not kept", "Later, kept"
        case "taken back":
            return "Earlier, kept", "Later, not kept"
    writers = list(dict.fromkeys(person(each.by) for each in one.between))
    first = f"{writers[0]}'s change" if len(writers) == 1 else "Changes of others"
    return first if writers else "Others", f"{person(one.version.by)}'s change"


def _leaf_row(one: Resolution, leaf: Leaf, heads: Sequence[str]) -> str:
    is_both = leaf.conflict is not None or leaf.fate != "preserved"
    earlier = later = UNCHANGED
    if is_both or not leaf.is_later_alone:
        earlier = _change(leaf, leaf.before, leaf.earlier) + _by(leaf)
    if is_both or leaf.is_later_alone:
        later = _change(leaf, leaf.before, leaf.later)
        if leaf.fate == "set back":
            later = f"{toned('conflict', '✗', 'wrote back')} {value_cell(leaf.later)}"
        later += f" <small>{_who(one.version)}</small>" if is_both else ""
    result = _moved(leaf.result) if leaf.change == "moved" else value_cell(leaf.result)
    before = _moved(leaf.before) if leaf.change == "moved" else value_cell(leaf.before)
    cells = "".join(
        f'<td data-of="{escape(visible(head))}">{cell}</td>'
        for head, cell in zip(heads, (before, earlier, later, result), strict=True)
    )
    what = f", {escape(leaf.change)}" if leaf.conflict is not None else ""
    return (
        f'<tr><th scope="row">{escape(visible(leaf.label))}<br>'
        f"<small><code>{escape(visible(leaf.path))}</code>{what}</small></th>{cells}</tr>"
    )


def _change(leaf: Leaf, before: JSON, after: JSON) -> str:
    if leaf.change == "moved":
        return moved_cell(str(after))
    if leaf.change == "order" and isinstance(after, list):
        return f'<span class="sync-moved">&gt; reordered</span> {value_cell(after)}'
    return change_cell(before, after)


def _moved(place: JSON) -> str:
    return escape(visible(str(place)))


def _by(leaf: Leaf) -> str:
    if leaf.earlier_by is None:
        return ""
    version = f", {leaf.earlier_version}" if leaf.earlier_version else ""
    return f" <small>{escape(visible(person(leaf.earlier_by) + version))}</small>"


def _told(one: Resolution) -> str:
    """Against what it was made and whom it met, as a sentence."""
    version, at = one.version, clock_time(one.version.at)
    base = "a base that is not in this record" if one.base is None else one.base.version
    told = f"at {at}, made against {base}"
    if one.between:
        named = [f"{each.version} ({person(each.by)})" for each in one.between[-MOST_NAMED:]]
        more = len(one.between) - len(named)
        rest = f"{more} more and " if more else ""
        told += f"; met {rest}{', '.join(named)}"
    if version.update_id:
        told += f"; update {version.update_id}"
    return escape(visible(told))


def _who(version: Version) -> str:
    return escape(visible(person(version.by)))


def _nothing(record: RunView, selected: str | None) -> str:
    if selected:
        return "The selected update has written no version in this record"
    return "Nothing has been committed yet" if not record.versions else "Nothing has been changed"


def _card(title: str, inner: str, level: int) -> str:
    return f'<section class="sync-past"><h{level}>{title}</h{level}>{inner}</section>'
