"""The stylesheet of the history and conflict panels, for light and dark pages.

Colours repeat what a sign and a word say. On a dark page the inks are lighter ones of the same hue;
`INKS` holds both, each at least 4.5:1 on its ground (`tests/test_room_conflicts.py` computes it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncsim.ui.drawing import INK, STYLES

GROUNDS: Final = ("#ffffff", "#212121")
"""A light page and a dark one, as JupyterLab has them."""

INKS: Final[Mapping[str, tuple[str, str]]] = {
    "ink": (INK, "#e8e8e8"),
    **{word: (look.ink, look.pale) for word, look in STYLES.items()},
}


def _properties(which: int) -> str:
    inks = "".join(f"--sync-{name}: {both[which]}; " for name, both in INKS.items())
    return f"{inks}--sync-ground: {GROUNDS[which]}; --sync-line: {('#cccccc', '#555555')[which]};"


STYLE: Final = f"""<style>
.sync-past {{ {_properties(0)}
  color: var(--sync-ink); background: var(--sync-ground); border: 1px solid var(--sync-line);
  border-radius: 4px; padding: 6px 10px; margin: 0 0 8px; line-height: 1.4; font-size: 13px;
  box-sizing: border-box; overflow-wrap: anywhere; max-width: 100%; container-type: inline-size; }}
body[data-jp-theme-light="false"] .sync-past {{ {_properties(1)} }}
@media (prefers-color-scheme: dark) {{
  body:not([data-jp-theme-light]) .sync-past {{ {_properties(1)} }} }}
.sync-past :is(h3, h4) {{ margin: 0 0 4px; font-size: 14px; }}
.sync-past p {{ margin: 0 0 4px; }}
.sync-scroll {{ overflow-x: auto; max-width: 100%; }}
.sync-past table {{ border-collapse: collapse; width: 100%; margin: 4px 0; color: inherit; }}
.sync-fields th[scope="row"] {{ min-width: 150px; }}
.sync-past caption {{ text-align: left; font-weight: bold; }}
.sync-past th, .sync-past td {{ text-align: left; vertical-align: top; padding: 3px 8px;
  border-bottom: 1px solid var(--sync-line); background: none; color: inherit;
  white-space: normal; font-size: 13px; }}
.sync-past td {{ white-space: pre-wrap; }}
.sync-past table:not(.sync-fields) td {{ overflow-wrap: break-word;
  min-width: 4em; }}
.sync-past th[scope="col"] {{ overflow-wrap: normal; }}
.sync-past code {{ color: inherit; background: none; font-family: monospace; font-size: 12px;
  padding: 0; white-space: pre-wrap; }}
.sync-past small, .sync-idle {{ color: var(--sync-idle); }}
.sync-past small {{ font-size: 11px; }}
.sync-past ins, .sync-added {{ color: var(--sync-committed); }}
.sync-past del, .sync-removed, .sync-conflict {{ color: var(--sync-conflict); }}
.sync-changed, .sync-merged {{ color: var(--sync-merged); }}
.sync-moved, .sync-retry {{ color: var(--sync-retry); }}
.sync-committed {{ color: var(--sync-committed); }}
.sync-stale {{ color: var(--sync-stale); }}
.sync-past ins, .sync-past del {{ text-decoration: none; background: none; }}
.sync-past ins > :not(b) {{ text-decoration: underline; }}
.sync-past del > :not(b) {{ text-decoration: line-through; }}
.sync-past summary {{ cursor: pointer; }}
.sync-past a[download] {{ color: var(--sync-merged) !important;
  text-decoration: underline !important; }}
.sync-past :focus-visible {{ outline: 2px solid var(--sync-merged); outline-offset: 1px; }}
.sync-whole {{ max-height: 240px; overflow: auto; }}
.sync-past svg text {{ fill: var(--sync-ink); font-size: 12px; }}
@container (max-width: 620px) {{
  .sync-past table.sync-fields, .sync-fields tbody, .sync-fields tr, .sync-fields td,
  .sync-fields th[scope="row"] {{ display: block; width: auto; }}
  .sync-fields th[scope="col"] {{ display: none; }}
  .sync-fields th[scope="colgroup"] {{ display: block; }}
  .sync-fields td::before {{ content: attr(data-of) ": "; color: var(--sync-idle); }} }}
</style>"""


def toned(tone: str, sign: str, word: str) -> str:
    """A sign and a word in the colour of their meaning; neither is escaped."""
    return f'<b class="sync-{tone}">{sign} {word}</b>'
