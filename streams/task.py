"""A partition task: the state of one partition, its position, and its transactional commits.

An agent applies a batch under the task's lock. A flush takes a snapshot under the same lock
and commits changelog, outputs and input offsets in one Kafka transaction beside the batches
that follow; one commit is in flight at a time. What happened before the commit is repeated
after a crash, what happened after it is not: inside Kafka every effect happens exactly once.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from segue.errors import Fenced
from segue.telemetry import metrics
from streams.stage import Output, Stage, StateT

__all__ = ["PartitionTask", "Snapshot"]

BATCH_BYTES = 900_000  # below the broker's limit of a record batch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one transaction commits."""

    records: list[Output]
    offsets: dict[str, int]


@dataclass(eq=False)
class PartitionTask(Generic[StateT]):
    """One partition of one stage on the worker that owns it."""

    stage: Stage[StateT]
    partition: int
    state: StateT
    producer: AIOKafkaProducer
    group_id: str
    generation: int
    position: dict[str, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    opened: bool = False
    retired: bool = False
    due: asyncio.Event = field(default_factory=asyncio.Event)
    pending_records: int = 0
    paused_topics: set[str] = field(default_factory=set)
    evictions_counted: int = 0
    _outputs: list[Output] = field(default_factory=list)
    _committed: dict[str, int] = field(default_factory=dict)
    _commit_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def begin(self, committed: dict[str, int]) -> None:
        """Stand at the committed offsets, with the state that belongs to them."""
        self.position = dict(committed)
        self._committed = dict(committed)

    def ensure_open(self) -> None:
        """Raise `Fenced` when the partition was taken from us. Long waits call it."""
        if not self.opened:
            raise Fenced(f"{self.stage.name} partition {self.partition} is no longer ours")

    def advance(self, topic: str, next_offset: int, outputs: list[Output], records: int) -> None:
        """Note an applied batch: its effects now belong to the next flush."""
        self.position[topic] = next_offset
        self._outputs.extend(outputs)
        self.pending_records += records

    @property
    def version_offset(self) -> int:
        """Return a number that grows with every applied record of any input."""
        return sum(self.position.values())

    @property
    def dirty(self) -> bool:
        """Whether anything was applied since the last snapshot."""
        return self.position != self._committed

    async def flush(self) -> None:
        """Commit all that was applied so far. Returns when it is committed.

        Raises what Kafka raises; the caller stops the worker, as start-up is the recovery.
        """
        async with self._commit_lock:
            async with self.lock:
                self.ensure_open()
                if not self.dirty:
                    return
                await self.stage.publish(self, complete=True)
                snapshot = self._take()
            started_s = time.perf_counter()
            await self._commit(snapshot)
            metrics.FLUSH.labels(self.stage.name).observe(time.perf_counter() - started_s)
            metrics.FLUSHED.labels(self.stage.name).inc(len(snapshot.records))

    async def publish(self) -> None:
        """Let the stage write what waits for Redis. Raises `Fenced` when the task is closed."""
        async with self.lock:
            self.ensure_open()
            await self.stage.publish(self, complete=False)

    def _take(self) -> Snapshot:
        """Drain everything applied since the last snapshot. Never awaits."""
        records = [
            Output(self.stage.changelog, self.partition, key, value)
            for key, value in self.state.changes()
        ]
        records += self.stage.outputs(self.state)
        records += self._outputs
        self._outputs = []
        self.pending_records = 0
        self.due.clear()
        moved = {t: o for t, o in self.position.items() if self._committed.get(t) != o}
        self._committed = dict(self.position)
        return Snapshot(records, moved)

    async def _commit(self, snapshot: Snapshot) -> None:
        await self.producer.begin_transaction()
        delivered = [
            await self.producer.send_batch(batch, topic, partition=partition)
            for topic, partition, batch in self._batches(snapshot.records)
        ]
        await asyncio.gather(*delivered)
        await self.producer.send_offsets_to_transaction(
            {TopicPartition(t, self.partition): o for t, o in snapshot.offsets.items()},
            self.group_id,
        )
        await self.producer.commit_transaction()

    def _batches(self, records: Iterable[Output]) -> list[tuple[str, int, Any]]:
        """Pack records into producer batches, in order within each destination."""
        now_ms = time.time_ns() // 1_000_000
        full: list[tuple[str, int, Any]] = []
        building: dict[tuple[str, int], Any] = {}
        for record in records:
            destination = (record.topic, record.partition)
            builder = building.get(destination)
            if builder is None:
                builder = building[destination] = self.producer.create_batch()
            fields: dict[str, Any] = {
                "timestamp": now_ms if record.timestamp_ms is None else record.timestamp_ms,
                "key": record.key,
                "value": record.value,
                "headers": list(record.headers),
            }
            if builder.append(**fields) is None:
                full.append((*destination, builder))
                builder = building[destination] = self.producer.create_batch()
                if builder.append(**fields) is None:
                    raise ValueError(f"a record for {record.topic} exceeds a batch")
        return full + [(*destination, builder) for destination, builder in building.items()]
