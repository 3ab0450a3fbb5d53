"""The feed and the live panels without a page: what is sent, when, and what a late page finds."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from syncsim.events.kinds import Event
from syncsim.ui.drawing import STYLES
from syncsim.ui.room import feed as feeding
from syncsim.ui.room.feed import Feed, Totals
from syncsim.ui.room.live import TAIL, Live, stylesheet

NOW = 1_700_000_000.0
HOSTILE = "<img src=x onerror=alert(1)>"


def event(kind: str, at: float = NOW, user: str = "ann", update: str = "u1", **facts: Any) -> Event:
    return Event.of(1, kind, at, user, update, "form", facts)


def update(number: int, at: float = NOW, user: str = "ann") -> list[Event]:
    """Four rows, and one event that is none: a start, a lost swap, a retry, an attempt, the end."""
    id_, version = f"u{number}", f"{number + 1}-0a0b0c0d"
    return [
        event("update.started", at, user, id_),
        event("update.conflict", at, user, id_, attempt=1),
        event("update.retry", at, user, id_, attempt=1, nominal_s=0.1),
        event("update.attempt", at, user, id_, attempt=2),
        event("update.committed", at, user, id_, version=version, attempts=2),
    ]


class Heard(Live):
    """The panels, with what they sent to the page."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__()

    def send(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.sent.append(content)


@pytest.fixture
def live() -> Iterator[Heard]:
    opened = Heard()
    yield opened
    opened.close()


def hit(user: str = "ann") -> Event:
    return event("cache.hit", user=user, version="2-0a0b0c0d")


def put(feed: Feed, events: list[Event]) -> None:
    for one in events:
        feed.put(one)


def lines(message: dict[str, Any]) -> list[str]:
    return [row["line"].split("] ")[-1] for row in message["rows"]]


# -- frames ----------------------------------------------------------------------------------------


def test_a_frame_sends_one_message_with_all_that_came(live: Heard) -> None:
    feed = Feed(live)
    put(feed, update(1))
    assert feed.frame(NOW)
    (message,) = live.sent
    assert lines(message) == [
        "ann: Starting update...",
        "CONFLICT: Version mismatch",
        "ann: Retry 1 (100ms backoff)",
        "ann: SUCCESS ✓",
    ]
    assert [row["look"] for row in message["rows"]] == ["", "conflict", "retry", "committed"]
    assert {row["update"] for row in message["rows"]} == {"u1"}
    assert message["status"]["Template version"] == "2-0a0b0c0d"
    assert message["status"]["Conflicts resolved"] == "1"
    assert message["status"]["Throughput"][-1] == 1
    assert [card["user"] for card in message["caches"]["cards"]] == ["System"]
    assert feed.totals == Totals(events=5, rows=4, skipped=0)


def test_nothing_is_sent_when_nothing_changed(live: Heard) -> None:
    """Only the throughput of a second ago changes by itself; half a minute later it is over."""
    feed = Feed(live)
    put(feed, update(1))
    feed.frame(NOW)
    assert [feed.frame(NOW + 0.1 * k) for k in range(1, 10)] == [False] * 9
    assert feed.frame(NOW + 1)
    assert live.sent[-1]["status"]["Throughput"][-2:] == [1, 0]
    assert live.sent[-1]["rows"] == []
    assert "caches" not in live.sent[-1]
    feed.frame(NOW + 40)
    assert [feed.frame(NOW + 40 + k) for k in range(1, 5)] == [False] * 4


def test_what_is_being_done_is_told_at_the_next_frame(live: Heard) -> None:
    feed = Feed(live)
    feed.frame(NOW)
    feed.activity = "playing Trigger All"
    assert feed.frame(NOW + 0.1)
    assert live.sent[-1]["status"]["Now"] == "playing Trigger All"
    assert not feed.frame(NOW + 0.2)


def test_what_the_store_says_of_the_newest_version_is_told_at_the_next_frame(live: Heard) -> None:
    """To the caches too: what looked fresh may be stale."""
    feed = Feed(live)
    put(feed, [*update(1), event("cache.filled", version="2-0a0b0c0d")])
    feed.frame(NOW)
    assert live.sent[-1]["caches"]["cards"][0]["state"] == "Fresh"
    feed.standing.settle("form", "3-1a1b1c1d")
    assert feed.frame(NOW + 0.1)
    assert live.sent[-1]["status"]["Template version"] == "3-1a1b1c1d"
    assert live.sent[-1]["caches"]["cards"][0]["state"] == "Stale"
    assert not feed.frame(NOW + 0.2)


def test_a_queued_update_counts_until_it_has_left_the_queue_or_ended(live: Heard) -> None:
    feed = Feed(live)

    def queue_length(*events: Event) -> str:
        put(feed, list(events))
        feed.frame(NOW)
        return str(live.sent[-1]["status"]["Queue length"])

    assert queue_length(event("update.queued"), event("update.queued", update="u2")) == "2"
    assert queue_length(event("update.dequeued")) == "1"
    assert queue_length(event("update.failed", update="u2")) == "0"


def test_events_of_many_threads_are_all_counted(live: Heard) -> None:
    feed = Feed(live)
    threads = [
        threading.Thread(target=put, args=(feed, [hit(f"user {k}")] * 500)) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        feed.frame(NOW)
    feed.frame(NOW)
    assert feed.totals.events == feed.totals.rows + feed.totals.skipped == 4000
    assert sum(card["hits"] for card in live.sent[-1]["caches"]["cards"]) == 4000


def test_too_many_at_once_are_counted_as_skipped_and_never_block(live: Heard) -> None:
    """Rows that a message cannot carry are folded all the same; events beyond capacity are not."""
    feed = Feed(live, capacity=3000)
    put(feed, [hit()] * 3500)
    feed.frame(NOW)
    (message,) = live.sent
    assert len(message["rows"]) == feeding.ROWS_A_FRAME
    assert message["skipped"] == feed.totals.skipped == 2500
    assert message["caches"]["cards"][0]["hits"] == 3000


def test_a_beginning_has_a_heading_and_starts_the_state_from_scratch(live: Heard) -> None:
    """In the order in which it was put among the events."""
    feed = Feed(live)
    put(feed, update(1))
    feed.begin(f"Trigger All {HOSTILE}", users=("ann", "ben"))
    put(feed, [event("update.started", update="u2")])
    feed.frame(NOW)
    (message,) = live.sent
    assert lines(message)[-2:] == [f"Trigger All {HOSTILE}", "ann: Starting update..."]
    assert message["rows"][-2]["kind"] == ""
    assert message["status"]["Template version"] == "none yet"
    assert message["status"]["Active updates"] == "1"
    cards = message["caches"]["cards"]
    assert [(card["user"], card["state"]) for card in cards] == [
        ("ann", "Empty"),
        ("ben", "Empty"),
        ("System", "Empty"),
    ]


def test_what_cannot_be_sent_as_text_is_escaped(live: Heard) -> None:
    """A lone surrogate has no UTF-8: it would end the frame loop instead of a row."""
    feed = Feed(live)
    feed.put(event("custom\ud800", user="ann\ud800", update="u\ud800", version="v\ud800"))
    feed.put(event("cache.filled", user="ann\ud800", version="v\ud800"))
    feed.frame(NOW)
    assert "\\ud800" in str(live.sent).encode("utf-8").decode()


# -- what a page that opens later finds ------------------------------------------------------------


def test_a_late_page_finds_the_newest_rows_once_a_second(live: Heard) -> None:
    feed = Feed(live)
    put(feed, update(1))
    feed.frame(NOW)
    assert len(live.state["rows"]) == 4
    put(feed, [hit()] * 300)
    feed.frame(NOW + 0.5)
    assert live.state["total"] == 4
    feed.frame(NOW + 1.0)
    assert (live.state["total"], len(live.state["rows"])) == (304, TAIL)
    assert live.state["status"]["Cache hit rate"] == "100% (300 of 300 reads)"
    assert live.state["caches"]["cards"][0]["hits"] == 300


def test_a_reset_forgets_for_late_pages_too(live: Heard) -> None:
    feed = Feed(live)
    put(feed, update(1))
    feed.frame(NOW)
    feed.reset()
    assert live.sent[-1]["epoch"] == live.state["epoch"] == 1
    assert live.sent[-1]["total"] == live.state["total"] == 0
    assert live.state["rows"] == []
    assert feed.totals == Totals(0, 0, 0)


def test_the_panels_can_be_fed_by_hand(live: Heard) -> None:
    live.show(status={"Now": "idle"})
    live.show()
    live.show(caches=[], at=NOW, ticking=True)
    assert [sorted(message) for message in live.sent] == [
        ["epoch", "rows", "skipped", "status", "total"],
        ["epoch", "rows", "skipped", "total"],
        ["caches", "epoch", "rows", "skipped", "total"],
    ]


# -- replays ---------------------------------------------------------------------------------------


def test_a_replay_goes_on_and_back_by_the_difference(live: Heard) -> None:
    """At event k the page has what a replay that went there directly would have."""
    record = [one for number in range(20) for one in update(number, NOW + number)]
    feed = Feed(live)
    feed.show(record[:50], NOW + 9)
    feed.show(record[:60], NOW + 11)
    assert len(live.sent[-1]["rows"]) == 8
    feed.show(record[:5], NOW)
    assert live.sent[-1]["cut"] == 4
    assert live.sent[-1]["rows"] == []
    direct = Heard()
    Feed(direct).show(record[:5], NOW)
    assert live.sent[-1]["status"] == direct.sent[-1]["status"]
    assert live.sent[-1]["caches"] == direct.sent[-1]["caches"]
    assert not live.sent[-1]["caches"]["ticking"]
    assert live.sent[-1]["total"] == direct.sent[-1]["total"] == 4
    feed.frame(NOW + 900)
    live.sent.clear()
    assert live.state["rows"] == direct.sent[-1]["rows"]
    feed.frame(NOW + 902)
    assert live.sent == []
    direct.close()


def test_another_record_begins_anew(live: Heard) -> None:
    feed = Feed(live)
    feed.show(update(1), NOW)
    feed.show(update(2), NOW)
    assert live.sent[-1]["epoch"] == live.sent[0]["epoch"] + 1
    assert live.sent[-1]["total"] == 4


def test_what_happens_after_a_replay_begins_anew(live: Heard) -> None:
    feed = Feed(live)
    feed.show(update(1), NOW)
    feed.put(event("update.started"))
    feed.frame(NOW)
    assert live.sent[-1]["total"] == 1
    assert feed.totals.events == 1


# -- looks -----------------------------------------------------------------------------------------


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("word", STYLES)
def test_words_can_be_read_in_either_theme_chosen_or_not(word: str) -> None:
    """4.5:1 on the themes' grounds, white and #212121, and on the ground of a chosen row."""
    dark = (luminance(STYLES[word].pale), ("#111111", "#212121", "#24384A"))
    light = (luminance(STYLES[word].ink), ("#FFFFFF", "#EEF6FD"))
    for ink, grounds in (dark, light):
        for ground in map(luminance, grounds):
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5
    for ground in (*dark[1][2:], *light[1][1:]):
        assert ground in stylesheet()


def test_the_module_is_small_and_asks_nobody_for_anything() -> None:
    """One file without a build step; the only address is the name of a vocabulary."""
    source = Live._esm
    assert len(source.encode()) < 20_000
    assert source.count("://") == source.count("http://www.w3.org/2000/svg") == 1
    assert "innerHTML" not in source
    assert "insertAdjacentHTML" not in source
