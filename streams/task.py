"""A partition task: the state of one partition, its position, and its transactional commits.

An agent applies a batch under the task's lock. A flush takes a snapshot under the same lock
and commits changelog, outputs and input offsets in one Kafka transaction beside the batches
that follow; one commit is in flight at a time. What happened before the commit is repeated
after a crash, what happened after it is not: inside Kafka every effect happens exactly once.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from segue.errors import Bug, Fenced
from segue.telemetry import metrics
from streams.priority import Priority
from streams.stage import Output, Stage, StateT

__all__ = ["PartitionTask", "Snapshot"]


FLUSH_STEPS = 2000
TICK_S = 0.001  # the event loop sleeps no shorter


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one transaction commits: changed keys, outputs, and input offsets by topic."""

    changes: Iterable[Sequence[tuple[bytes, bytes | None]]]
    outputs: Iterable[Output]
    offsets: dict[str, int]


@dataclass(eq=False)
class PartitionTask(Generic[StateT]):
    """One partition of one stage on the worker that owns it."""

    stage: Stage[StateT]
    partition: int
    state: StateT
    producer: AIOKafkaProducer
    priority: Priority
    group_id: str
    generation: int
    position: dict[str, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    opened: bool = False
    retired: bool = False
    closing: bool = False
    due: asyncio.Event = field(default_factory=asyncio.Event)
    pending_records: int = 0
    paused_topics: set[str] = field(default_factory=set)
    evictions_counted: int = 0
    newest_written: str = ""
    _outputs: list[Output] = field(default_factory=list)
    _committed: dict[str, int] = field(default_factory=dict)
    _commit_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Versions must reach Redis in order. Taken before `lock`, which publishing may need.
    _publish_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

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
    def at_work(self) -> bool:
        """Whether a unit or a publication is half done."""
        return self.lock.locked() or self._publish_lock.locked()

    @property
    def dirty(self) -> bool:
        """Whether anything was applied since the last snapshot."""
        return self.position != self._committed

    async def flush(self) -> None:
        """Commit all that was applied so far. Returns when it is committed.

        Raises what Kafka raises; the caller stops the worker, as start-up is the recovery.
        """
        async with self._commit_lock:
            async with self._publish_lock:
                self.ensure_open()
                await self.stage.publish(self, complete=True)  # most of it, beside the agents
                await self.give_way()
                async with self.lock:
                    self.ensure_open()
                    if not self.dirty:
                        return
                    await self.stage.publish(self, complete=True)
                    snapshot = self._take()
            started_s = time.perf_counter()
            committed = await self._commit(snapshot)
            metrics.FLUSH.labels(self.stage.name).observe(time.perf_counter() - started_s)
            metrics.FLUSHED.labels(self.stage.name).inc(committed)

    async def publish(self) -> None:
        """Let the stage write what waits for Redis. Raises `Fenced` when the task is closed."""
        async with self._publish_lock:
            self.ensure_open()
            await self.stage.publish(self, complete=False)

    def _take(self) -> Snapshot:
        """Drain everything applied since the last snapshot; the lock is held."""
        changes = self.state.change_slices()
        outputs = chain(self.stage.outputs(self.state), self._outputs)
        self._outputs = []
        self.pending_records = 0
        self.due.clear()
        moved = {t: o for t, o in self.position.items() if self._committed.get(t) != o}
        self._committed = dict(self.position)
        return Snapshot(changes, outputs, moved)

    async def breathe(self) -> None:
        """Let others have their turn between two steps of a flush: a rare one takes its time."""
        pause_s = self.stage.flush_interval_s / FLUSH_STEPS
        await asyncio.sleep(pause_s if pause_s >= TICK_S and not self.closing else 0)
        await self.give_way()

    async def give_way(self) -> None:
        """Let batches that listeners wait for go first."""
        if not self.closing:
            await self.priority.give_way()
        else:
            await asyncio.sleep(0)

    async def _commit(self, snapshot: Snapshot) -> int:
        """Commit a snapshot; returns how many records it was.

        Cut short, what it drained is lost: the task must not be kept.
        """
        batches = await self._batches(snapshot)
        await self.producer.begin_transaction()
        delivered = [
            await self.producer.send_batch(batch, topic, partition=partition)
            for topic, partition, batch in batches
        ]
        await asyncio.gather(*delivered)
        await self.producer.send_offsets_to_transaction(
            {TopicPartition(t, self.partition): o for t, o in snapshot.offsets.items()},
            self.group_id,
        )
        await self.producer.commit_transaction()
        return sum(batch.record_count() for _, _, batch in batches)

    async def _batches(self, snapshot: Snapshot) -> list[tuple[str, int, Any]]:
        """Pack a snapshot into producer batches, in order within each destination."""
        now_ms = time.time_ns() // 1_000_000
        changelog = _Packer(self.producer, self.stage.changelog, self.partition)
        for changes in snapshot.changes:
            for key, value in changes:
                changelog.append(now_ms, key, value)
            await self.breathe()
        packers = {(changelog.topic, changelog.partition): changelog}
        for output in await asyncio.to_thread(list, snapshot.outputs):
            destination = (output.topic, output.partition)
            if destination not in packers:
                packers[destination] = _Packer(self.producer, *destination)
            at_ms = now_ms if output.timestamp_ms is None else output.timestamp_ms
            packers[destination].append(at_ms, output.key, output.value, output.headers)
        return [
            (packer.topic, packer.partition, batch)
            for packer in packers.values()
            for batch in packer.batches
        ]


class _Packer:
    """Batches for one partition, each as full as it gets."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.batches: list[Any] = []
        self._producer = producer

    def append(
        self,
        at_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Add a record. Raises `Bug` if it does not fit an empty batch."""
        record = {"timestamp": at_ms, "key": key, "value": value, "headers": list(headers)}
        if self.batches and self.batches[-1].append(**record) is not None:
            return
        self.batches.append(self._producer.create_batch())
        if self.batches[-1].append(**record) is None:
            raise Bug(f"a record for {self.topic} is larger than a batch")
