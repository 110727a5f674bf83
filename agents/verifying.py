"""Whether Redis still holds a partition's values: asked now and then, in each stage."""

from typing import Any

from agents.deps import Deps
from streams.task import PartitionTask

__all__ = ["Verifier"]

VERIFY_INTERVAL_S = 1.0
NEVER_S = float("-inf")


class Verifier:
    """One for a stage."""

    def __init__(self, deps: Deps, interval_s: float = VERIFY_INTERVAL_S) -> None:
        self._deps, self._interval_s = deps, interval_s
        self._verified_s: dict[int, float] = {}

    async def verify_if_due(self, task: PartitionTask[Any]) -> None:
        """Write the partition again if Redis lost it; the task's lock must be free."""
        now_s = self._deps.clock.monotonic_s()
        if now_s - self._verified_s.get(task.partition, NEVER_S) >= self._interval_s:
            self._verified_s[task.partition] = now_s
            await self._deps.sink.verify(task)
