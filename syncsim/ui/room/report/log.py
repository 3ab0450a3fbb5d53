"""The live log of a page that is saved: every line in the mission's format, with its facts beside.

It can be read, searched and printed without a script. With one it can be filtered by words, user
and kind; the script is small, is in the page, and asks no server for anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from syncsim.events.kinds import Event
from syncsim.events.live_log import clock_zone, detail, printable, render
from syncsim.ui.drawing import person
from syncsim.ui.panels import look_of
from syncsim.ui.sequence_svg import escape

MOST_LINES: Final = 2000
"""Lines of the newest events; the page says how many lines came before."""


def log_section(events: Sequence[Event]) -> Iterator[str]:
    """The filter, hidden until the script shows it, and a list item per event."""
    shown = events[-MOST_LINES:]
    if not shown:
        yield "<p>No event was logged.</p>"
        return
    yield from _filter(shown)
    yield f'<p class="soft" id="log-count" role="status">{_counted(events, shown)}</p>'
    yield '<div class="wide" tabindex="0" role="region" aria-label="Live log"><ol class="log">'
    yield from map(_line, shown)
    yield "</ol></div>"


def _counted(events: Sequence[Event], shown: Sequence[Event]) -> str:
    lines = ", ".join(filter(None, (f"{len(shown):,} lines", clock_zone(shown[0].at)))) + "."
    before = len(events) - len(shown)
    return f"{lines} {before:,} lines before them are left out here." if before else lines


def _filter(events: Sequence[Event]) -> Iterator[str]:
    users = sorted({event.user for event in events if event.user is not None})
    topics = sorted({_topic(event) for event in events})
    yield '<form id="log-filter" class="filter" hidden role="search" aria-label="Filter the log">'
    yield '<label>Words <input type="search" name="words" autocomplete="off"></label>'
    yield '<label>User <select name="user"><option value="">all</option>'
    yield from (_option(user, printable(person(user))) for user in users)
    yield "</select></label>"
    yield '<label>Kind <select name="topic"><option value="">all</option>'
    yield from (_option(topic, printable(topic)) for topic in topics)
    yield '</select></label><button type="reset">Show all</button></form>'


def _option(value: str, text: str) -> str:
    return f'<option value="{_attribute(value)}">{escape(text)}</option>'


def _line(event: Event) -> str:
    look = look_of(event)
    tone, sign = ("ink", "·") if look is None else (look.word, look.sign)
    facts = detail(event)
    return (
        f'<li data-user="{_attribute(event.user or "")}" data-topic="{_attribute(_topic(event))}">'
        f'<b class="t-{tone}" aria-hidden="true">{sign}</b> '
        f'<span class="t-{tone}">{escape(render(event))}</span>'
        + (f" <small>{escape(facts)}</small>" if facts else "")
        + "</li>"
    )


def _topic(event: Event) -> str:
    """`update` of `update.committed`."""
    return event.kind.partition(".")[0]


def _attribute(text: str) -> str:
    return escape(printable(text))


SCRIPT: Final = """
(function () {
  "use strict";
  var form = document.getElementById("log-filter");
  if (!form) return;
  var told = document.getElementById("log-count"), all = told.textContent;
  var lines = Array.prototype.slice.call(document.querySelectorAll(".log > li"));
  var texts = lines.map(function (line) { return line.textContent.toLowerCase(); });
  function show() {
    var words = form.elements.words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    var user = form.elements.user.value, topic = form.elements.topic.value, count = 0;
    lines.forEach(function (line, n) {
      var fits = (!user || line.dataset.user === user) && (!topic || line.dataset.topic === topic)
        && words.every(function (word) { return texts[n].indexOf(word) >= 0; });
      line.hidden = !fits;
      count += fits;
    });
    told.textContent = count === lines.length ? all : count + " of " + all;
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(show, 0); });
  form.hidden = false;
})();
"""
"""Takes texts from the page and gives texts back: nothing in it is ever read as markup."""
