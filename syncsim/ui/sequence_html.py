"""A sequence diagram as a page of its own, and as the output of a notebook cell.

The page needs nothing but itself: no script, no network, light and dark, and it prints. All that
users typed is escaped.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from syncsim.lab.history.findings import Finding
from syncsim.system.whole_files import write_whole
from syncsim.ui.drawing import counted
from syncsim.ui.sequence import Diagram, Source, sequence
from syncsim.ui.sequence_svg import DARK, LEGEND, SIGNS, STYLE, WIDTH, escape, svg
from syncsim.ui.violation import LeafHistory

CELL: Final = 920
"""Pixels that a notebook cell has in a window of 1280, beside the file browser."""


@dataclass(frozen=True, repr=False)
class SequenceDiagram:
    """A run as a diagram to look at in a notebook; as text elsewhere. `diagram` is what it shows.

    `finding`: what is to be proved; unless told, the failure's own or the run's first fault.
    """

    run: Source
    finding: Finding | None = None
    diagram: Diagram = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "diagram", sequence(self.run, self.finding))

    def __repr__(self) -> str:
        return self.diagram.as_text()

    def _repr_html_(self) -> str:
        diagram = self.diagram
        dark = f'body[data-jp-theme-light="false"] .syncsim-seq{{{DARK}}}'
        return "\n".join(
            [
                f"<style>{STYLE}{CELL_STYLE}{dark}</style>",
                '<div class="syncsim-seq syncsim-cell">',
                f"<p><strong>{escape(diagram.title)}</strong><br>{escape(diagram.sentence)}</p>",
                *diagram_figure(diagram, CELL),
                # No heading: JupyterLab would list it in the table of contents.
                *leaf_tables(diagram.leaves, "<p><strong>Before and after</strong></p>"),
                "</div>",
            ]
        )


def sequence_page(
    run: Source,
    *,
    token: str | None = None,
    command: str | None = None,
    finding: Finding | None = None,
) -> str:
    """The page as text. `token` replays the run, `command` is what to type for it.

    Unless told, both are made from the finding, which holds the token of its run.
    """
    diagram = sequence(run, finding)
    token = token or (None if diagram.finding is None else diagram.finding.token)
    if command is None and token is not None:
        command = replay_command(diagram, token)
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(diagram.title)} - syncsim</title>",
            f"<style>{STYLE}{_PAGE_STYLE}</style></head>",
            '<body class="syncsim-seq"><main>',
            f"<h1>{escape(diagram.title)}</h1>",
            f'<p class="lead">{escape(diagram.sentence)}</p>',
            f'<p class="run">{escape(_run_of(diagram))}</p>',
            *diagram_figure(diagram, WIDTH),
            *leaf_tables(diagram.leaves, "<h2>Before and after</h2>"),
            *_again(token, command),
            *_steps(diagram),
            "</main></body></html>",
        ]
    )


def write_page(
    path: str | Path, run: Source, *, token: str | None = None, command: str | None = None
) -> None:
    """Write the page to a file, as UTF-8; `OSError` where that is not possible."""
    write_whole(Path(path), sequence_page(run, token=token, command=command).encode())


def replay_command(diagram: Diagram, token: str) -> str:
    """The command to type to replay the run; Python for a solution that lives in a notebook."""
    setting = diagram.setting
    if diagram.solution_file is not None:
        solution = f" --solution {shlex.quote(diagram.solution_file)}"
    elif setting.solution == "reference":
        solution = ""
    else:
        build = setting.solution.rpartition(".")[2]
        return f'replay("{setting.scenario}", "{token}", solution={build})'
    return f"syncsim replay {setting.scenario} {token}{solution}"


# -- parts -----------------------------------------------------------------------------------------


def _run_of(diagram: Diagram) -> str:
    setting = diagram.setting
    return (
        f"Scenario {setting.scenario}, {counted(setting.users, 'user')}, on {setting.on}, "
        f"seed {setting.seed} · solution {setting.solution}"
    )


def _again(token: str | None, command: str | None) -> Iterator[str]:
    if command is not None:
        yield f"<h2>To see it again</h2><pre>{escape(command)}</pre>"
    if token is not None:
        yield f"<p>Token: <code>{escape(token)}</code></p>"


def diagram_figure(diagram: Diagram, width: int) -> Iterator[str]:
    """The picture with its legend; styled by `STYLE` and `CELL_STYLE` in a `syncsim-seq`."""
    yield f'<figure tabindex="0"><div class="wide">{svg(diagram, width)}</div>'
    legend = " &emsp; ".join(
        f'<span class="{kind}"><b>{SIGNS[kind]}</b> {meaning}</span>' for kind, meaning in LEGEND
    )
    marked = [step.mark for step in diagram.steps if step.mark is not None]
    proof = " The marked rows together are the proof." if len(marked) > 1 else ""
    less = "" if diagram.is_complete else " Reads, caches and locks were not recorded in this run."
    yield (
        f"<figcaption>{legend}<br>From top to bottom in the order of the run, not to scale; times "
        f"are {'virtual' if diagram.setting.on == 'simulation' else 'real'}.{proof}{less}"
        "</figcaption></figure>"
    )


def leaf_tables(leaves: tuple[LeafHistory, ...], heading: str) -> Iterator[str]:
    """Below `heading` a table per value concerned; nothing where there is none."""
    if not leaves:
        return
    yield heading
    for leaf in leaves:
        yield f"<table><caption><code>{escape(leaf.path)}</code>: {escape(leaf.verdict)}</caption>"
        heads = "".join(f'<th scope="col">{head}</th>' for head in ("When", "Value", "By"))
        yield f"<thead><tr>{heads}</tr></thead><tbody>"
        for number, (when, value, by) in enumerate(leaf.moments, 1):
            last = ' class="last"' if number == len(leaf.moments) else ""
            yield (
                f'<tr{last}><th scope="row">{escape(when)}</th>'
                f"<td><code>{escape(value)}</code></td><td>{escape(by)}</td></tr>"
            )
        yield "</tbody></table>"


def _steps(diagram: Diagram) -> Iterator[str]:
    yield "<h2>The same as a list</h2><ol>"
    for step in diagram.steps:
        text = escape(step.happening.text)
        if step.mark is not None:
            text = f"<strong>{escape(step.mark.sign)} {escape(step.mark.word)}:</strong> {text}"
        number = f' value="{step.number}"' if step.number else ' class="gap"'
        yield f"<li{number}>{text}</li>"
    yield "</ol>"


CELL_STYLE: Final = """
.syncsim-cell{padding:4px 8px;font:13px system-ui,sans-serif;overflow-wrap:anywhere}
.syncsim-cell svg{max-width:100%;min-width:720px;height:auto}
.syncsim-cell tr,.syncsim-cell code{background:none!important}
.syncsim-cell th,.syncsim-cell td{text-align:left!important}
.syncsim-cell code{color:inherit!important;padding:0!important}
.syncsim-cell figure{margin:0}.syncsim-seq .wide{overflow-x:auto}
.syncsim-seq figcaption{font-size:12px;color:var(--soft);margin:6px 0}
.syncsim-seq figcaption span{color:var(--c,inherit);white-space:nowrap}
.syncsim-seq table{border-collapse:collapse;margin:8px 0 16px}
.syncsim-seq caption{text-align:left;padding:4px 0;color:var(--ink)}
.syncsim-seq table th,.syncsim-seq table td{text-align:left;font-weight:400;
padding:4px 12px 4px 6px;border-bottom:1px solid var(--rule);background:none;
color:var(--ink);overflow-wrap:anywhere}
.syncsim-seq thead th{color:var(--soft)}
.syncsim-seq code{background:none;color:inherit;font:12.5px ui-monospace,Consolas,monospace}
.syncsim-seq .last td,.syncsim-seq .last code{font-weight:700}
"""

_PAGE_STYLE: Final = f"""
body{{margin:0;font:15px/1.5 system-ui,"Segoe UI",sans-serif;color-scheme:light dark}}
main{{max-width:1216px;margin:0 auto;padding:20px 32px 48px;overflow-wrap:anywhere}}
h1{{font-size:25px;line-height:1.25;margin:0 0 6px}}h2{{font-size:17px;margin:26px 0 8px}}
.lead{{margin:0 0 4px;font-size:16px}}
.run{{margin:0 0 12px;color:var(--soft)}}
pre{{white-space:pre-wrap;font:12.5px/1.45 ui-monospace,Consolas,monospace;
background:var(--head);padding:8px 10px;margin:0 0 6px;border-radius:4px}}
figure{{margin:0}}figure:focus-visible{{outline:2px solid var(--soft)}}
ol{{padding-left:2.6em}}li.gap{{list-style:none;color:var(--soft)}}
{CELL_STYLE}
@media (prefers-color-scheme:dark){{.syncsim-seq{{{DARK}}}}}
@media print{{.syncsim-seq{{--back:#fff;--ink:#000;--soft:#444}}main{{padding:0;max-width:none}}
body{{font-size:11px;-webkit-print-color-adjust:exact;print-color-adjust:exact}}
.wide{{overflow:visible}}.wide svg{{width:100%;height:auto}}table,pre{{break-inside:avoid}}}}
"""
