"""How a saved page looks: light, dark and on paper, with contrast of at least 4.5:1 in each.

The names `--jp-...` are those of JupyterLab's themes, so that panels made for a notebook look right
here too.
"""

from __future__ import annotations

from typing import Final

from syncsim.ui.drawing import INK, STYLES
from syncsim.ui.room.versions.look import INKS
from syncsim.ui.room.versions.look import STYLE as PAST_STYLE
from syncsim.ui.sequence_html import CELL_STYLE
from syncsim.ui.sequence_svg import DARK as SEQUENCE_DARK
from syncsim.ui.sequence_svg import STYLE as SEQUENCE_STYLE

_LIGHT: Final = (
    "--soft:#595959;--back:#fff;--head:#f2f4f7;--rule:#b0b0b0;--band:#e9e4d6;"
    "--jp-layout-color0:#fff;--jp-layout-color1:#fff;--jp-layout-color2:#f2f4f7;"
    "--jp-layout-color3:#e3e6ea;--jp-border-color1:#b0b0b0;--jp-border-color2:#c8c8c8;"
    f"--jp-content-font-color1:{INK};--jp-content-font-color2:#595959;--jp-ui-font-color1:{INK};"
    "--jp-ui-font-color0:#000;--jp-ui-font-color2:#595959;"
    + "".join(f"--{word}:{ink};" for word, (ink, _) in INKS.items())
)
_DARK: Final = (
    "--soft:#b5b5b5;--back:#16181c;--head:#262a31;--rule:#6a6f77;--band:#3a3526;"
    "--jp-layout-color0:#16181c;--jp-layout-color1:#16181c;--jp-layout-color2:#262a31;"
    "--jp-layout-color3:#333842;--jp-border-color1:#6a6f77;--jp-border-color2:#565b63;"
    "--jp-content-font-color1:#e8e8e8;--jp-content-font-color2:#b5b5b5;"
    "--jp-ui-font-color0:#fff;--jp-ui-font-color1:#e8e8e8;--jp-ui-font-color2:#b5b5b5;"
    + "".join(f"--{word}:{ink};" for word, (_, ink) in INKS.items())
)

STYLE: Final = "\n".join(
    [
        PAST_STYLE.removeprefix("<style>").removesuffix("</style>"),
        SEQUENCE_STYLE,
        CELL_STYLE,
        f":root{{color-scheme:light dark;{_LIGHT}}}",
        f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}.syncsim-seq{{{SEQUENCE_DARK}}}}}",
        """
body{margin:0;font:15px/1.5 system-ui,"Segoe UI",sans-serif;color:var(--ink);
background:var(--back)}
header,main,footer{max-width:1216px;margin:0 auto;padding:0 32px;overflow-wrap:anywhere}
header{padding-top:20px}footer{padding-bottom:40px}
h1{font-size:26px;line-height:1.25;margin:0 0 6px}
h3{font-size:16px;margin:16px 0 6px}
h2{font-size:19px;margin:34px 0 8px;padding-top:10px;border-top:1px solid var(--rule)}
p{margin:0 0 8px}.soft,small{color:var(--soft)}.lead{font-size:16px}
a{color:inherit}a:focus-visible,summary:focus-visible,[tabindex]:focus-visible,
input:focus-visible,select:focus-visible,button:focus-visible{outline:3px solid var(--merged);
outline-offset:2px}
.skip{position:absolute;left:-999px}.skip:focus{left:12px;top:8px;padding:4px 8px;
background:var(--back)}
nav ul{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:10px 0 0;padding:0}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:4px 0 12px;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:4px 14px 4px 0;
border-bottom:1px solid var(--rule);font-weight:400}
tbody th{min-width:11em}
th,td{max-width:34em;overflow-wrap:break-word}
thead th{color:var(--soft)}caption{text-align:left}
details{margin:6px 0 14px}summary{cursor:pointer;color:var(--soft)}
pre,code{font:12.5px/1.45 ui-monospace,Consolas,monospace}
pre{white-space:pre-wrap;background:var(--head);padding:8px 10px;border-radius:4px}
.findings li{margin:0 0 6px}
.filter{display:flex;flex-wrap:wrap;gap:6px 18px;margin:0 0 8px}.filter[hidden]{display:none}
.filter input,.filter select,.filter button{font:inherit;color:var(--ink);
background:var(--back);border:1px solid var(--soft);border-radius:4px;padding:2px 6px;
max-width:16em}
.log{list-style:none;margin:0;padding:8px 10px;max-height:480px;overflow:auto;
background:var(--head);border-radius:4px;font:12.5px/1.55 ui-monospace,Consolas,monospace}
.log small{font-size:11.5px}.log b{display:inline-block;width:1.2em}
figure{margin:0 0 4px}figcaption{font-size:13px;color:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:4px 0;padding:0}
.key svg{vertical-align:-2px}
.wide svg{display:block}
svg text{font:12.5px system-ui,"Segoe UI",sans-serif;fill:var(--ink)}
svg [class^="t-"]{fill:var(--c,var(--ink))}
svg .t-soft{fill:var(--soft)}svg .t-on-fill{fill:#222;font-size:11.5px}
.grid{stroke:var(--rule);stroke-width:.6;stroke-dasharray:2 4;fill:none}
.mark{stroke:var(--ink);stroke-dasharray:6 4;fill:none}
.nominal{stroke:var(--ink);stroke-width:2;fill:none}
.band{fill:var(--band);stroke:var(--rule)}
.cross{stroke:var(--conflict);stroke-width:2.5;fill:none}
.f-queue{fill:var(--head);stroke:var(--soft);stroke-dasharray:3 2}
""",
        *(
            f".t-{look.word}{{color:var(--{look.word});--c:var(--{look.word})}}"
            f".f-{look.word}{{fill:{look.fill};stroke:var(--{look.word})}}"
            for look in STYLES.values()
        ),
        """
@media (max-width:640px){header,main,footer{padding-left:14px;padding-right:14px}}
@media print{:root,.syncsim-seq{--ink:#000;--soft:#444;--back:#fff;--head:#f4f4f4;--rule:#999}
body{font-size:11px;-webkit-print-color-adjust:exact;print-color-adjust:exact}
header,main,footer{padding:0;max-width:none}nav,.filter,.skip{display:none}
.wide,.log{overflow:visible;max-height:none}.wide svg{max-width:100%;height:auto}
table,figure,li{break-inside:avoid}}
""",
    ]
)
