"""What listeners wait for goes before what nobody waits for.

All agents, flushes and publications of a worker share one event loop, and a step that has begun
runs to its end. So background work is done in steps of about a millisecond, and asks before each:
while batches that change lists wait or are at work, it waits too, for a bounded time, and then one
step runs at a time. On a busy machine that halves the tail of a play's way to its list. A worker
that is behind has no calm moments, so there nothing is held back: everything must get its share.
"""

import asyncio
from contextlib import suppress
from typing import Final
from weakref import WeakSet

from streams.batches import Batch

__all__ = ["Priority"]

PATIENCE_S: Final = 0.03
BEHIND_S: Final = 1.0  # after a full batch


class Priority:
    """One for a worker. Batches dropped on the way are forgotten with their last reference."""

    def __init__(self, batch_records: int) -> None:
        self._batch_records = batch_records
        self._urgent: WeakSet[Batch] = WeakSet()
        self._calm = asyncio.Event()
        self._turn = asyncio.Lock()
        self._behind_until_s = 0.0

    def add(self, batch: Batch) -> None:
        """Note that a batch which changes lists waits for its agent."""
        self._urgent.add(batch)
        self._calm.clear()

    def done(self, batch: Batch) -> None:
        """Note that a batch was applied. Does nothing for one that was not added."""
        if batch not in self._urgent:
            return
        self._urgent.discard(batch)
        if len(batch.records) >= self._batch_records:
            self._behind_until_s = asyncio.get_running_loop().time() + BEHIND_S
        if not self._urgent:
            self._calm.set()

    async def give_way(self) -> None:
        """Wait for a calm moment, and for the steps of others that wait for one."""
        if asyncio.get_running_loop().time() < self._behind_until_s:
            await asyncio.sleep(0)
            return
        async with self._turn:
            if not self._urgent:
                await asyncio.sleep(0)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._calm.wait()
