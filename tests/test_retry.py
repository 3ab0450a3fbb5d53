"""Delays are data: their medians, ranges and names, and the words that select them."""

from collections.abc import Iterator
from random import Random
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.errors import UsageError
from syncsim.service.retry import POLICIES, RetryPolicy

LADDER_S = (0.1, 0.2, 0.4)


class Extreme(Random):
    """Chance at its lowest or highest: each draw is `value`."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


LOWEST, HIGHEST = Extreme(0.0), Extreme(1 - 2**-53)


def sequence(policy: RetryPolicy, random: Random) -> Iterator[float]:
    previous_s = None
    for retry in range(1, policy.retries + 1):
        previous_s = policy.delay_s(retry, random, previous_s)
        yield previous_s


def extremes(name: str) -> list[tuple[float, float]]:
    policy = RetryPolicy(name)
    return [
        (
            round(policy.delay_s(retry, LOWEST, low), 4),
            round(policy.delay_s(retry, HIGHEST, high), 4),
        )
        for retry, low, high in ((1, None, None), (2, 0.1, 0.3), (3, 0.1, 0.4))
    ]


def test_the_default_waits_the_missions_ladder_in_the_median_and_never_out_of_order() -> None:
    """1000 conflicts per retry: median within 3 %, each in [2/3, 4/3] of nominal, rising."""
    random = Random(20260101)
    sequences = [tuple(sequence(RetryPolicy(), random)) for _ in range(1000)]
    for delays_s, nominal_s in zip(zip(*sequences, strict=True), LADDER_S, strict=True):
        assert median(delays_s) == pytest.approx(nominal_s, rel=0.03)
        assert all(nominal_s * 2 / 3 <= delay_s <= nominal_s * 4 / 3 for delay_s in delays_s)
    assert all(first < second < third for first, second, third in sequences)
    assert max(map(sum, sequences)) < 0.9334


def test_ranges_of_every_policy() -> None:
    """The lowest and the highest draw before each retry, in seconds."""
    assert {name: extremes(name) for name in POLICIES} == {
        "third": [(0.0667, 0.1333), (0.1333, 0.2667), (0.2667, 0.5333)],
        "fixed": [(0.1, 0.1), (0.2, 0.2), (0.4, 0.4)],
        "full": [(0.0, 0.1), (0.0, 0.2), (0.0, 0.4)],
        "equal": [(0.05, 0.1), (0.1, 0.2), (0.2, 0.4)],
        "decorrelated": [(0.1, 0.3), (0.1, 0.4), (0.1, 0.4)],
        "none": [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)],
    }


def test_a_zero_delay_of_full_jitter_is_legal_and_none_always_draws_it() -> None:
    assert RetryPolicy("full").delay_s(3, LOWEST) == 0.0
    assert list(sequence(RetryPolicy("none"), Random(1))) == [0.0, 0.0, 0.0]


def test_full_jitter_breaks_the_order_in_about_half_of_the_sequences() -> None:
    """What a third is chosen to avoid; 48 % in the model of the notes."""
    random = Random(5)
    broken = 0
    for _ in range(2000):
        first, second, third = sequence(RetryPolicy("full"), random)
        broken += not first < second < third
    assert broken / 2000 == pytest.approx(0.48, abs=0.04)


def test_decorrelated_jitter_grows_from_the_draw_before() -> None:
    policy = RetryPolicy("decorrelated")
    assert policy.delay_s(2, HIGHEST, previous_s=0.1) == pytest.approx(0.3)
    assert policy.delay_s(2, HIGHEST, previous_s=0.12) == pytest.approx(0.36)


@pytest.mark.parametrize("name", POLICIES)
def test_the_nominal_delay_is_the_missions_for_all_but_none(name: str) -> None:
    nominal = [RetryPolicy(name).nominal_s(retry) for retry in (1, 2, 3)]
    assert nominal == ([0.0, 0.0, 0.0] if name == "none" else list(LADDER_S))


def test_the_same_seed_gives_the_same_delays() -> None:
    once, again = (list(sequence(RetryPolicy(), Random("7/0/ann"))) for _ in range(2))
    assert once == again


@given(
    st.sampled_from(POLICIES),
    st.sampled_from([None, 1, 2, 3]),
)
def test_text_and_policy_round_trip(name: str, queue_from: int | None) -> None:
    policy = RetryPolicy(name, queue_from)
    assert RetryPolicy.parse(str(policy)) == policy


def test_a_bare_name_queues_only_if_it_is_the_default() -> None:
    assert RetryPolicy.parse("third") == RetryPolicy()
    assert RetryPolicy.parse("third").queue_from == 1
    assert [RetryPolicy.parse(name).queue_from for name in POLICIES[1:]] == [None] * 5
    assert str(RetryPolicy.parse("fixed/queue=2")) == "fixed/queue=2"
    assert str(RetryPolicy.parse("third/queue=never")) == "third/queue=never"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linear",
        "Third",
        "third/",
        "third/queue",
        "third/queue=0",
        "third/queue=4",
        "third/queue=1 ",
        "third/x=1",
        "third queue=1",
        "third\n",
    ],
)
def test_an_unknown_policy_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(
        UsageError, match="third, fixed, full, equal, decorrelated, none"
    ) as refused:
        RetryPolicy.parse(text)
    assert refused.value.argument == "retry policy"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name", "linear"),
        ("retries", -1),
        ("retries", 2.5),
        ("retries", True),
        ("queue_from", 0),
        ("queue_from", 4),
        ("queue_from", True),
        ("base_delay_s", -0.1),
        ("base_delay_s", float("nan")),
        ("base_delay_s", float("inf")),
        ("factor", 0.5),
        ("factor", float("inf")),
    ],
)
def test_what_could_not_be_honoured_is_refused(argument: str, value: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        RetryPolicy(**{argument: value})


def test_which_retries_queue() -> None:
    def queued(policy: RetryPolicy) -> list[int]:
        return [retry for retry in range(4) if policy.queues(retry)]

    assert queued(RetryPolicy()) == [1, 2, 3]
    assert queued(RetryPolicy(queue_from=3)) == [3]
    assert queued(RetryPolicy(queue_from=None)) == []
