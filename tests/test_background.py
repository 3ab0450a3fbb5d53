"""What the job derives, as a function of the document alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from syncsim.contract import BACKGROUND, Row
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.service.background import (
    CLOCK_GRAIN_S,
    ClockSkewGuard,
    MaintenanceRun,
    derive,
    reading_level,
)
from syncsim.service.service import SyncService
from syncsim.template import encode
from syncsim.template.samples import sample, sample_names
from tests.simulation_parts import Bench, Job, bench

__all__ = ["bench"]

NOW = 1_700_000_000.0


def row(user_updated_at: float | None, by: str = "ann") -> Row:
    return Row("t", "2-x", 2, encode(sample("contact_card")), NOW, by, user_updated_at)


def test_counts_and_shares_are_those_of_the_document() -> None:
    document = {
        "schema_version": 1,
        "name": "n",
        "sections": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}],
        "fields": [
            {"id": "x", "section": "a", "label": "Same", "type": "text", "required": True},
            {"id": "y", "section": "a", "label": "Same", "type": "text"},
            {
                "id": "z",
                "section": "a",
                "label": "Pick",
                "type": "choice",
                "options": [{"value": "1", "label": "One"}],
            },
        ],
    }
    derived = derive(document)
    assert (derived["fields"], derived["sections"], derived["required"]) == (3, 2, 1)
    assert derived["required_share"] == 0.333
    assert derived["types"] == {"choice": 1, "text": 2}
    assert derived["options"] == 1
    assert derived["warnings"] == [
        "field 'z' offers one option only",
        "section 'a' has 2 fields labelled 'Same'",
        "section 'b' has no fields",
    ]


def test_an_empty_template_derives_without_a_division_by_zero() -> None:
    derived = derive({"schema_version": 1, "name": "n", "fields": [], "sections": []})
    assert (derived["required_share"], derived["reading_level"]) == (0.0, 0.0)


def test_the_reading_level_is_the_published_formula() -> None:
    """Four words of 4.5 characters in two sentences: 4.71 * 4.5 + 0.5 * 2 - 21.43."""
    assert reading_level(["Your name", "Full address"]) == round(4.71 * 19 / 4 + 1 - 21.43, 1)


def test_every_shipped_template_stays_valid_with_its_derived_data() -> None:
    for name in sample_names():
        document = sample(name)
        document.setdefault("metadata", {})["derived"] = derive(document)
        encode(document)


def test_exactly_the_cooldown_is_old_enough() -> None:
    assert MaintenanceRun(5.0, lambda: NOW)(row(NOW - 5.0)) is not None
    run = MaintenanceRun(5.0, lambda: NOW)
    assert run(row(NOW - 4.9)) is None
    assert run.reason == "Skipped - recent user update (ann, 4.9 s ago, cooldown 5.0 s)"


def test_a_template_no_user_has_written_is_never_too_recent() -> None:
    assert MaintenanceRun(5.0, lambda: NOW)(row(None, BACKGROUND)) is not None


def test_the_last_user_is_not_named_where_somebody_else_wrote_since() -> None:
    run = MaintenanceRun(5.0, lambda: NOW)
    run(row(NOW - 1.0, BACKGROUND))
    assert run.reason == "Skipped - recent user update (1.0 s ago, cooldown 5.0 s)"


def test_a_second_look_forgets_the_first() -> None:
    """The job looks again after a lost swap; what it said before must not leak into its answer."""
    run = MaintenanceRun(5.0, lambda: NOW)
    assert run(row(NOW - 1.0)) is None
    write = run(row(NOW - 9.0))
    assert write is not None
    assert run.reason is None
    assert run.written
    again = Row("t", "3-x", 3, encode(write.document), NOW, BACKGROUND, NOW - 9.0)
    assert run(again) is None
    assert not run.written


def test_a_stamp_within_the_grain_of_the_clock_is_a_plain_age() -> None:
    """Two processes of one host may read the clock in either order; that is no step."""
    sights = ClockSkewGuard()
    ahead = row(NOW + CLOCK_GRAIN_S)
    run = MaintenanceRun(5.0, lambda: NOW, sights)
    assert run.too_recent(ahead) == "Skipped - recent user update (ann, 0.0 s ago, cooldown 5.0 s)"
    assert sights._seen == {}
    assert MaintenanceRun(5.0, lambda: NOW + 5.5, sights).too_recent(ahead) is not None
    assert MaintenanceRun(5.0, lambda: NOW + 6.0, sights).too_recent(ahead) is None


def test_first_sights_are_kept_one_a_template() -> None:
    sights = ClockSkewGuard()
    for second in range(3):
        MaintenanceRun(5.0, lambda: NOW + second, sights).too_recent(row(NOW + 100))  # noqa: B023
    assert sights._seen.keys() == {"t"}
    assert sights._seen["t"].since == NOW


def beside_a_stamp_from_ahead(env: SimulatedEnvironment) -> Mapping[str, Job]:
    """Ann wrote an hour ahead of the clock. The job runs every second, and Ben writes once."""
    inner = env.store._inner
    now, inner._now = inner._now, lambda: env.clock.now() + 3600  # type: ignore[attr-defined]
    document = {**inner.read("t").document, "name": "Ann's"}
    inner.compare_and_swap("t", inner.head("t").version, document, by="ann")
    inner._now = now  # type: ignore[attr-defined]
    sync = SyncService(env)

    def job() -> list[str]:
        statuses = []
        for _ in range(14):
            statuses.append(sync.run_background_job("t").status)
            env.clock.sleep(1.0)
        return statuses

    def ben() -> None:
        env.clock.sleep(3.0 + env.random.random())
        sync.update_template("t", {"description": "Ben's"}, user="ben")

    return {"job": job, "ben": ben}


@pytest.mark.parametrize("seed", range(8))
def test_in_virtual_time_the_job_runs_once_a_cooldown_after_what_it_first_saw(
    bench: Bench, seed: int
) -> None:
    world = bench.run(beside_a_stamp_from_ahead, Seeded(seed))
    assert world.errors == {}
    newest, bens, anns, _ = world.store.history("t")
    assert [r.by for r in (newest, bens, anns)] == [BACKGROUND, "ben", "ann"]
    stamp = world.store.head("t").user_updated_at
    assert stamp is not None
    assert stamp < anns.at, "Ben's own stamp is on the clock that rules"
    statuses = world.answers["job"]
    assert isinstance(statuses, list)
    assert statuses.count("committed") == 1
    assert 8 <= statuses.index("committed") <= 10, "five seconds after Ben's, on the next second"
    assert bench.run(beside_a_stamp_from_ahead, Seeded(seed)).trace == world.trace
