"""Waits for a condition with a deadline; a test never waits for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

__all__ = ["eventually"]

T = TypeVar("T")


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T]],
    deadline_s: float,
    *,
    interval_s: float = ...,
    claim: str = ...,
) -> T: ...


@overload
async def eventually(
    predicate: Callable[[], T], deadline_s: float, *, interval_s: float = ..., claim: str = ...
) -> T: ...


async def eventually(
    predicate: Callable[[], T | Awaitable[T]],
    deadline_s: float,
    *,
    interval_s: float = 0.02,
    claim: str = "",
) -> T:
    """Call `predicate` (plain or async) until its result is true, and return that result.

    Raises AssertionError, with `claim` and the last result, after `deadline_s` seconds. What the
    predicate raises passes through. An async predicate that hangs is cancelled at the deadline.
    """
    until_s = time.monotonic() + deadline_s
    last: object = "nothing: it did not return"
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                found = predicate()
                result = cast(T, await found if inspect.isawaitable(found) else found)
                if result:
                    return result
                last = result
                await asyncio.sleep(interval_s)
    except TimeoutError:
        if time.monotonic() < until_s:  # the predicate's own
            raise
    what = claim or getattr(predicate, "__name__", "the condition")
    raise AssertionError(f"not within {deadline_s:g} s: {what} (last result: {last!r})")
