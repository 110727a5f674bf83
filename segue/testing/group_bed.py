"""A task group on a log in memory: rebalances by hand, and points where things can be held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from segue.testing.counting import CountState
from segue.testing.memory_app import MemoryApp, as_batch
from segue.testing.memory_log import MemoryLog, MemoryRecord, memory_kafka
from segue.testing.memory_stage import MemoryStage
from segue.testing.servers import fresh_settings
from segue.testing.waiting import eventually
from streams.batches import Batch, Poll
from streams.gates import TopicPartition
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.unit import Unit

__all__ = ["GroupBed", "counted_records"]


@dataclass
class GroupBed:
    """A group on a log, and points where a test may hold things up."""

    log: MemoryLog
    app: MemoryApp
    stage: MemoryStage
    group: TaskGroup[CountState]
    held: dict[str, asyncio.Event]

    @classmethod
    def new(
        cls, *inputs: str, flush_records: int = 1000, flush_interval_s: float = 0.05
    ) -> GroupBed:
        held: dict[str, asyncio.Event] = {}

        async def point(name: str) -> None:
            if name in held:
                await held[name].wait()

        class App(MemoryApp):
            async def seek(self, tp: TopicPartition, offset: int) -> None:
                await point(f"seek {tp.topic}")
                await super().seek(tp, offset)

        app = App()
        stage = MemoryStage(inputs=inputs or ("in",), flush_interval_s=flush_interval_s)
        settings = fresh_settings(flush_records=flush_records)
        group = TaskGroup(stage, app=app.as_segue_app, settings=settings)
        return cls(MemoryLog(point), app, stage, group, held)

    def hold(self, point: str) -> asyncio.Event:
        """Stop whoever comes to a point until the event is set."""
        self.held[point] = asyncio.Event()
        return self.held[point]

    async def assign(self, generation: int, numbers: tuple[int, ...] = (0,)) -> None:
        """Hand out partitions of all inputs."""
        await self.group.on_assigned({topic: {*numbers} for topic in self.stage.inputs}, generation)

    async def opened(self, number: int = 0) -> PartitionTask[CountState]:
        """Wait until a partition takes batches."""
        await eventually(lambda: self.group.tasks[number].opened, 5)
        return self.group.tasks[number]

    @asynccontextmanager
    async def unit(self, batch: Batch) -> AsyncIterator[Unit[CountState] | None]:
        """Apply a poll of one batch; yields None if it is not for us."""
        async with self.group.units(Poll.of(batch)) as units:
            yield units[0] if units else None

    async def apply(self, first: int, last: int, *, follows: int | None = None) -> int:
        """Offer a batch of `in` whose records count themselves; returns how many were applied."""
        batch = as_batch("in", 0, counted_records(first, last), follows=follows)
        async with self.unit(batch) as unit:
            if unit is None:
                return 0
            for record in unit.records:
                unit.state.add(record.value.decode())
            return len(unit.records)

    @asynccontextmanager
    async def used(self) -> AsyncIterator[GroupBed]:
        """Run on the log for a block; then let go of everybody and drain."""
        with memory_kafka(self.log):
            yield self
            for event in self.held.values():
                event.set()
            await self.group.drain()


def counted_records(first: int, last: int) -> list[MemoryRecord]:
    """Return records of `in` whose values are their offsets, `last` included."""
    return [
        MemoryRecord("in", 0, offset, 0, None, b"%d" % offset) for offset in range(first, last + 1)
    ]
