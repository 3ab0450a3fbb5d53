"""What an interrupt must not leave behind: a lock that its thread will never give back.

Ctrl+C, Jupyter's Stop and `PyThreadState_SetAsyncExc` raise between any two lines, the first line
of a `finally` or of an `__exit__` included, so what is released in Python code may stay taken. One
call meets one interrupt. The rule of this package follows: around a whole way in and out stands an
`except BaseException` that gives back what the calling *thread* still holds. For that every lock
knows its thread: those that are held for an instant are re-entrant locks of C, which refuse to be
released by another, and all others have a method `heal`.

Two things follow. A lock is given up as often as it is held, so what runs under one calls nothing
that takes it again. And such a `try` has no other one nested in its own function: Python keeps the
line of an inner `try` out of the outer one, and what is raised there passes it by.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Self = TypeVar("Self")
Entered = TypeVar("Entered")


class ThreadsLock(Protocol):
    """A `threading.RLock`, by what is needed of it here."""

    def __enter__(self) -> bool:
        """Take it."""

    def __exit__(self, *error: Any) -> None:
        """Give it back."""

    def release(self) -> None:
        """Give it back; `RuntimeError` where the calling thread does not hold it."""


def give_up(lock: ThreadsLock) -> None:
    """Release the lock as often as the calling thread holds it, perhaps not at all."""
    with suppress(RuntimeError):
        while True:
            lock.release()


def under(lock: ThreadsLock) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have the function run under this lock, which is held for no longer, whatever happens."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def alone(*args: P.args, **named: P.kwargs) -> T:
            try:
                with lock:
                    return function(*args, **named)
            except BaseException:
                give_up(lock)
                raise

        return alone

    return decorate


def under_own_lock(
    method: Callable[Concatenate[Self, P], T],
) -> Callable[Concatenate[Self, P], T]:
    """Have the method run under the `_lock` of its object, which is held for no longer."""

    @wraps(method)
    def alone(self: Self, /, *args: P.args, **named: P.kwargs) -> T:
        lock: ThreadsLock = self._lock  # type: ignore[attr-defined]
        try:
            with lock:
                return method(self, *args, **named)
        except BaseException:
            give_up(lock)
            raise

    return alone


def within(held: AbstractContextManager[Entered], work: Callable[[Entered], T]) -> T:
    """What `work` answers inside of `held`; an interrupt at its very end leaves nothing held."""
    try:
        with held as entered:
            return work(entered)
    except BaseException:
        heal = getattr(held, "heal", None)  # those of the simulation meet no interrupt
        if heal is not None:
            heal()
        raise
