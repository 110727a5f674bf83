"""What listeners wait for goes before what nobody waits for.

All agents, flushes and publications of a worker share one event loop, and a step that has begun
runs to its end. So background work is done in steps of about a millisecond, and asks before each:
while polls that change lists wait or are at work, it waits too, for a bounded time, and then one
step runs at a time. On a busy machine that halves a play's way to its list. A worker that is behind
has no calm moments, so there nothing is held back: everything must get its share.
"""

import asyncio
from contextlib import suppress
from typing import Final
from weakref import WeakSet

from streams.batches import Poll

__all__ = ["Priority"]

PATIENCE_S: Final = 0.01  # shared by those that wait: the more there is to do, the less
BEHIND_S: Final = 1.0  # since more waited than is fetched


class Priority:
    """One for a worker. Polls dropped on the way are forgotten with their last reference."""

    def __init__(self) -> None:
        self._urgent: WeakSet[Poll] = WeakSet()
        self._calm = asyncio.Event()
        self._turn = asyncio.Lock()
        self._behind_until_s = 0.0
        self._waiting = 0

    def add(self, poll: Poll) -> None:
        """Note that a poll which changes lists waits for its agent."""
        self._urgent.add(poll)
        self._calm.clear()

    def done(self, poll: Poll) -> None:
        """Note that a poll was applied. Does nothing for one that was not added."""
        if poll not in self._urgent:
            return
        self._urgent.discard(poll)
        if not self._urgent:
            self._calm.set()

    def fall_behind(self) -> None:
        """Note that more waits than is fetched at a time."""
        self._behind_until_s = asyncio.get_running_loop().time() + BEHIND_S

    async def give_way(self) -> None:
        """Wait for a calm moment, and for the steps of others that wait for one."""
        if asyncio.get_running_loop().time() < self._behind_until_s:
            await asyncio.sleep(0)
            return
        self._waiting += 1
        try:
            async with self._turn:
                if self._urgent:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(PATIENCE_S / self._waiting):
                            await self._calm.wait()
                else:
                    await asyncio.sleep(0)
        finally:
            self._waiting -= 1
