"""A pace for feeding: so many plays a second by the monotonic clock, or without limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from segue.clock import Clock

__all__ = ["CHUNK_MAX", "Pacer"]

CHUNK_MAX: Final = 2_000
"""The most plays handed out at once: about 20 ms of work."""
TICK_S: Final = 0.02
"""Plays that are due within one tick travel together."""
BEHIND_MAX_S: Final = 1.0
"""How much of what could not be fed in time is made up for; the rest is given up."""


class Pacer:
    """Hands out how many plays may go now. `rate_per_s` None means without limit.

    The average holds over minutes, since what is due follows from the time passed, not from sleeps.
    """

    def __init__(
        self,
        rate_per_s: float | None,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate_per_s
        self._clock = clock
        self._sleep = sleep
        self._last_s = clock.monotonic_s()
        self._due = 0.0

    async def take(self, wanted: int) -> int:
        """Wait until something is due; return how many plays, 1 to `wanted`, may go now."""
        most = min(wanted, CHUNK_MAX)
        if self._rate is None:
            await self._sleep(0)
            return most
        self._accrue(self._rate)
        while self._due < 1.0:
            await self._sleep(max(TICK_S, (1.0 - self._due) / self._rate))
            self._accrue(self._rate)
        count = min(most, int(self._due))
        self._due -= count
        return count

    def _accrue(self, rate_per_s: float) -> None:
        now_s = self._clock.monotonic_s()
        self._due += (now_s - self._last_s) * rate_per_s
        self._due = min(self._due, max(1.0, BEHIND_MAX_S * rate_per_s))
        self._last_s = now_s
