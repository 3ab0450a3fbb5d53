"""The pool of connections: bounded, the first free one first, fair once somebody has to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from syncsim.store.bounded_pool import BoundedPool
from syncsim.system.locks import pauses

LONG_S = 30.0


class Things:
    """What is made and unmade, counted."""

    def __init__(self) -> None:
        self.made = 0
        self.unmade: list[int] = []

    def make(self) -> int:
        self.made += 1
        return self.made

    def pool(self, limit: int) -> BoundedPool[int]:
        return BoundedPool(self.make, self.unmade.append, limit)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in pauses(LONG_S):
        if condition():
            return
    raise AssertionError("it never came to that")


def waiting(pool: BoundedPool[int]) -> int:
    """How many wait: the front of the line holds its lock, and looks again and again."""
    return pool._line.is_taken + len(pool._line._line)


def test_the_first_that_is_free_is_taken_and_none_is_made_before_need() -> None:
    things = Things()
    pool = things.pool(3)
    assert [pool.take(0.0), pool.take(0.0)] == [1, 2]
    pool.give(2)
    pool.give(1)
    assert [pool.take(0.0), pool.take(0.0), pool.take(0.0)] == [1, 2, 3]
    assert things.made == 3


def test_no_more_are_made_than_the_limit() -> None:
    pool = Things().pool(2)
    assert (pool.take(0.0), pool.take(0.0), pool.take(0.0), pool.take(0.01)) == (1, 2, None, None)
    pool.give(2)
    assert pool.take(0.0) == 2


def test_who_waits_is_served_before_newcomers() -> None:
    """Helping oneself to what was given back would leave a waiter waiting for ever."""
    pool = Things().pool(1)
    assert pool.take(0.0) == 1
    with ThreadPoolExecutor(1) as other:
        waiter = other.submit(lambda: (pool.take(LONG_S), pool.give(1)))
        wait_until(lambda: waiting(pool) == 1)
        pool.give(1)
        assert pool.take(0.0) is None
        assert waiter.result() == (1, None)
    assert pool.take(0.0) == 1


def test_waiters_are_served_in_order() -> None:
    pool, order = Things().pool(1), list[int]()
    pool.take(0.0)

    def use(number: int) -> None:
        thing = pool.take(LONG_S)
        order.append(number)
        assert thing is not None
        pool.give(thing)

    threads = []
    for number in range(10):
        thread = threading.Thread(target=use, args=(number,))
        threads.append(thread)
        thread.start()
        wait_until(lambda: waiting(pool) == number + 1)  # noqa: B023
    pool.give(1)
    for thread in threads:
        thread.join()
    assert order == list(range(10))
    assert waiting(pool) == 0


def test_what_its_thread_had_out_makes_room_when_that_is_healed() -> None:
    things = Things()
    pool = things.pool(1)
    assert pool.take(0.0) == 1
    with ThreadPoolExecutor(1) as other:
        waiter = other.submit(pool.take, LONG_S)
        wait_until(lambda: waiting(pool) == 1)
        pool.heal()
        assert waiter.result() == 2
    assert things.unmade == [1]


def test_a_failure_to_make_one_takes_no_room() -> None:
    failures = iter([OSError, OSError])

    def make() -> int:
        for failure in failures:
            raise failure
        return 1

    pool = BoundedPool(make, lambda thing: None, 1)
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011
            pool.take(0.0)
    assert pool.take(0.0) == 1


def test_a_pause_unmakes_everything_and_lends_nothing_until_it_is_over() -> None:
    things = Things()
    pool = things.pool(2)
    first, second = pool.take(0.0), pool.take(0.0)
    assert (first, second) == (1, 2)
    pool.give(1)
    assert not pool.pause(0.01), "one is still out"
    assert things.unmade == [1]
    assert pool.take(0.0) is None
    pool.give(2)
    assert things.unmade == [1, 2]
    assert pool.take(0.0) is None
    pool.resume()
    assert pool.take(0.0) == 3


def test_a_pause_waits_for_what_is_out() -> None:
    things = Things()
    pool = things.pool(1)
    pool.take(0.0)
    with ThreadPoolExecutor(1) as other:
        paused = other.submit(pool.pause, LONG_S)
        wait_until(lambda: not pool._lends)
        pool.give(1)
        assert paused.result()
    assert things.unmade == [1]


def test_a_closed_pool_unmakes_what_comes_back_and_lends_nothing() -> None:
    things = Things()
    pool = things.pool(2)
    assert (pool.take(0.0), pool.take(0.0)) == (1, 2)
    pool.give(2)
    with ThreadPoolExecutor(1) as other:
        pool.take(0.0)
        waiter = other.submit(pool.take, LONG_S)
        wait_until(lambda: waiting(pool) == 1)
        pool.close()
        assert waiter.result() is None
    pool.give(1)
    pool.give(2)
    assert things.unmade == [1, 2]
    assert pool.take(0.0) is None


@pytest.mark.real
def test_a_crowd_never_holds_more_than_the_limit_and_all_are_served() -> None:
    things = Things()
    pool = things.pool(3)
    start = threading.Barrier(20)
    out, most = 0, 0
    guard = threading.Lock()

    def use(_: int) -> None:
        nonlocal out, most
        start.wait()
        for _ in range(100):
            thing = pool.take(LONG_S)
            assert thing is not None
            with guard:
                out += 1
                most = max(most, out)
            with guard:
                out -= 1
            pool.give(thing)

    with ThreadPoolExecutor(20) as crowd:
        list(crowd.map(use, range(20)))
    assert most <= 3
    assert things.made <= 3
    assert waiting(pool) == 0
