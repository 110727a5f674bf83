"""A stage of counts for tests of tasks and sinks, and tasks of it that are open at once.

A record's value is the key to count. Every count is also a value in Redis under `count:KEY`, so
that a test sees what is written, refused and written again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from schemas.outputs import format_version
from segue.testing.counting import CountState
from segue.testing.memory_log import MemoryLog, MemoryProducer
from streams.priority import Priority
from streams.sinks.redis import Values
from streams.stage import Output, StateT
from streams.task import PartitionTask
from streams.tasks import TaskGroup

__all__ = ["MemoryStage", "count_value", "open_task"]

TTL_S = 1000


def count_value(key: str, count: int, offset: int, *, epoch_ms: int = 1) -> bytes:
    """Return what Redis holds of a count as of an offset."""
    return b'{"version":"%s","%s":%d}' % (
        format_version(epoch_ms, offset).encode(),
        key.encode(),
        count,
    )


class MemoryStage:
    """Counts the values of its inputs; sends each batch's number of keys to `totals`."""

    needs: tuple[str, ...] = ()

    def __init__(
        self,
        name: str = "counts",
        inputs: tuple[str, ...] = ("in",),
        *,
        flush_interval_s: float = 0.05,
        publish_interval_s: float = 0.05,
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.changelog = f"{name}-changelog"
        self.flush_interval_s = flush_interval_s
        self.publish_interval_s = publish_interval_s
        self.published: list[bool] = []
        self.rows_at_once = 2

    def new_state(self, partition: int) -> CountState:
        """Return empty counts."""
        return CountState()

    def outputs(self, state: CountState) -> list[Output]:
        """Return the total, once per flush."""
        return [Output("totals", 0, None, b"%d" % sum(state.counts.values()))]

    async def publish(self, task: PartitionTask[CountState], *, complete: bool) -> None:
        """Note whether it was before a commit."""
        self.published.append(complete)

    async def everything(self, task: PartitionTask[CountState]) -> AsyncIterator[Values]:
        """Return all counts, two at a time."""
        items = self.values(task)
        for start in range(0, len(items), self.rows_at_once):
            version = format_version(1, task.version_offset)
            yield Values("list", version, items[start : start + self.rows_at_once], ttl_s=TTL_S)

    def values(self, task: PartitionTask[CountState]) -> list[tuple[str, bytes]]:
        """Return all counts as keys and values of now."""
        counts = sorted(task.state.counts.items())
        return [(f"count:{k}", count_value(k, n, task.version_offset)) for k, n in counts]


async def open_task(
    group: TaskGroup[StateT],
    partition: int = 0,
    *,
    log: MemoryLog | None = None,
    position: Sequence[int] = (),
) -> PartitionTask[StateT]:
    """Give a group an open task with empty state, without a rebalance and without background work.

    It stands at `position` (one offset for each input, else 0) and flushes when a test says so.
    """
    producer: Any = MemoryProducer(log or MemoryLog(), f"test-{group.stage.name}-{partition}")
    await producer.start()
    task = PartitionTask(
        stage=group.stage,
        partition=partition,
        state=group.stage.new_state(partition),
        producer=producer,
        priority=Priority(),
        group_id="group",
        generation=1,
    )
    offsets = position or [0] * len(group.stage.inputs)
    task.begin(dict(zip(group.stage.inputs, offsets, strict=True)))
    task.opened = True
    group.tasks[partition] = task
    return task
