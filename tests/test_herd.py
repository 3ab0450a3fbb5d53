"""The lesson of the herd as figures and as a command: who gets through, and at which price."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncsim.cli import main as command
from syncsim.errors import UsageError
from syncsim.lab.engines.load_test import MOST_RELEASED, SUSTAINED, HerdRow, herd, released, table


def main(arguments: list[str]) -> int:
    """The exit code of `syncsim herd`."""
    with pytest.raises(SystemExit) as ended:
        command(["herd", *arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code


def by_policy(rows: list[HerdRow]) -> dict[str, HerdRow]:
    return {row.policy: row for row in rows}


def test_backoff_alone_leaves_a_herd_outside_and_the_queue_brings_all_in() -> None:
    """Fifty at one instant, three retries: the order of the policies, as the model has it."""
    policies = ("third", "none/queue=1", "none", "fixed", "third/queue=never")
    rows = by_policy(released((50,), policies))
    assert all(row.findings == {} for row in rows.values())
    for policy in ("third/queue=1", "none/queue=1"):
        assert rows[policy].success_rate == 1.0
        assert rows[policy].most_attempts <= 2
    assert rows["none/queue=never"].success_rate < 0.15
    assert rows["fixed/queue=never"].success_rate < 0.75
    assert rows["third/queue=never"].success_rate > 0.9
    queued, alone = rows["third/queue=1"], rows["third/queue=never"]
    assert queued.p99_ms < 0.5 * alone.p99_ms
    assert (queued.transactions or 0) < (alone.transactions or 0)


def test_retries_become_more_as_users_grow() -> None:
    few, many = herd((20, 400), 1, ("third",))
    assert (few.updates, many.updates) == (20, 400)
    assert few.success_rate == many.success_rate == 1.0
    assert 1.0 <= few.attempts < many.attempts
    assert few.p50_ms < few.slowest_ms <= many.slowest_ms


def test_every_load_is_told_of_while_it_runs() -> None:
    told: list[tuple[str, int, int]] = []
    released((2, 3), ("third", "none"), lambda *now: told.append(now))
    assert [(ended, total) for _, ended, total in told] == [(n, 10) for n in range(1, 11)]
    assert told[0][0] == "third/queue=1, 2 users"
    assert told[-1][0] == "none/queue=never, 3 users"


def test_the_table_has_a_line_per_row_and_a_column_per_figure() -> None:
    rows = released((2,), SUSTAINED)
    head, *lines = table(rows).splitlines()
    assert head.split()[:4] == ["policy", "users", "updates", "success"]
    assert [line.split()[0] for line in lines] == list(SUSTAINED)
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    "asked",
    [
        lambda: herd((0,)),
        lambda: herd(()),
        lambda: herd((2,), 0),
        lambda: herd((2,), 1, ("hopeful",)),
        lambda: released((MOST_RELEASED + 1,)),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: object) -> None:
    with pytest.raises(UsageError):
        asked()  # type: ignore[operator]


# -- the command -----------------------------------------------------------------------------------


def test_one_command_prints_the_table_and_draws_the_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "herd.html"
    asked = ["--users", "2,5", "--retry", "third,fixed", "--released", "--html", str(page)]
    assert main(asked) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].startswith("third/queue=1")
    assert len(printed.out.splitlines()) == 5
    assert printed.err == f"the chart is in {page}\n"  # and no bar where there is no terminal
    assert "plotly" in page.read_text("utf-8").lower()


def test_the_rows_can_be_had_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--users", "5", "--minutes", "2", "--retry", "third", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["policy"], row["users"], row["updates"], row["findings"]) == (
        "third/queue=1",
        5,
        10,
        {},
    )


def test_nonsense_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--retry", "hopeful"]) == 2
    assert "hopeful" in capsys.readouterr().err
    assert main(["--users", "many"]) == 2
    assert "many" in capsys.readouterr().err
