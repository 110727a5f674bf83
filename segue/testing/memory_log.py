"""Kafka in memory: partitions, committed offsets, and transactional producers that fence.

As much of it as partition tasks rely on. A transaction is appended in one step when it commits,
with a marker after its records in each partition, so that offsets have the holes they have in
Kafka. Not for more than one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import ProducerFenced
from aiokafka.structs import TopicPartition

import streams.changelog
import streams.tasks

__all__ = ["MemoryBatch", "MemoryLog", "MemoryProducer", "MemoryRecord", "memory_kafka"]

BATCH_BYTES = 900_000
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A record as a consumer gets it; the fields that we read have the names of aiokafka."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(slots=True)
class _Partition:
    records: list[MemoryRecord] = field(default_factory=list)
    end: int = 0


async def _at_once(_: str) -> None:
    """Take no time."""


class MemoryLog:
    """All partitions of a cluster. `point(name)` is awaited wherever a client waits for it."""

    def __init__(self, point: Callable[[str], Awaitable[None]] = _at_once) -> None:
        self.point = point
        self.committed: dict[tuple[str, str, int], int] = {}
        self.epochs: dict[str, int] = {}
        self.transactions = 0
        self._partitions: dict[tuple[str, int], _Partition] = {}

    def append(
        self,
        topic: str,
        partition: int,
        *,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int = 0,
    ) -> int:
        """Append one record; returns its offset."""
        held = self._partition(topic, partition)
        offset = held.end
        held.records.append(
            MemoryRecord(topic, partition, offset, timestamp_ms, key, value, headers)
        )
        held.end += 1
        return offset

    def mark(self, topic: str, partition: int) -> None:
        """Use up one offset, as the marker of a transaction does."""
        self._partition(topic, partition).end += 1

    def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[MemoryRecord]:
        """Return at most `limit` records from `offset` on."""
        records = self._partition(topic, partition).records
        low, high = 0, len(records)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if records[middle].offset < offset else (low, middle)
        return records[low : low + limit]

    def records(self, topic: str) -> list[MemoryRecord]:
        """Return everything in a topic, partition by partition."""
        found = sorted(key for key in self._partitions if key[0] == topic)
        return [record for key in found for record in self._partitions[key].records]

    def last_offset(self, topic: str, partition: int) -> int:
        """Return the offset of the last record, -1 if there is none."""
        records = self._partition(topic, partition).records
        return records[-1].offset if records else -1

    def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have."""
        return self._partition(topic, partition).end

    def last_values(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """Return what compaction would leave, in the order of writing."""
        latest: dict[bytes, bytes] = {}
        for record in self._partition(topic, partition).records:
            assert record.key is not None, "changelogs have keys"
            latest.pop(record.key, None)
            if record.value is not None:
                latest[record.key] = record.value
        return latest

    def _partition(self, topic: str, partition: int) -> _Partition:
        return self._partitions.setdefault((topic, partition), _Partition())


class MemoryBatch:
    """What `create_batch` returns: takes records until it is full."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._bytes = 0

    def append(self, **fields: Any) -> object | None:
        """Take a record (key, value, timestamp, headers), or return None when it is full.

        As in aiokafka the first record fits whatever its size; the broker's limit is another.
        """
        size = 70 + len(fields["key"] or b"") + len(fields["value"] or b"")
        if self.records and self._bytes + size > BATCH_BYTES:
            return None
        self._bytes += size
        self.records.append(fields)
        return self

    def record_count(self) -> int:
        """Return how many records it holds."""
        return len(self.records)


class MemoryProducer:
    """A transactional producer. Starting one fences the older ones of the same id."""

    def __init__(self, log: MemoryLog, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self.batches: list[tuple[str, int, MemoryBatch]] = []
        self.stopped = False
        self._log = log
        self._offsets: list[tuple[str, dict[TopicPartition, int]]] = []
        self._epoch = 0
        self._begun = False

    async def start(self) -> None:
        """Fence whoever used this transactional id before."""
        await self._log.point("fence")
        self._epoch = self._log.epochs.get(self.transactional_id, 0) + 1
        self._log.epochs[self.transactional_id] = self._epoch

    async def stop(self) -> None:
        """End. An open transaction is never committed."""
        self.stopped = True

    async def begin_transaction(self) -> None:
        """Begin. One at a time."""
        assert not self._begun, "a transaction is under way"
        self._begun = True
        self.batches, self._offsets = [], []

    def create_batch(self) -> MemoryBatch:
        """Return an empty batch."""
        return MemoryBatch()

    async def send_batch(
        self, batch: MemoryBatch, topic: str, *, partition: int
    ) -> asyncio.Future[None]:
        """Send a batch with the transaction; the result is done when it is delivered."""
        await self._log.point("send")
        self._check()
        self.batches.append((topic, partition, batch))
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        delivered.set_result(None)
        return delivered

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, int], group_id: str
    ) -> None:
        """Commit these offsets with the transaction."""
        await self._log.point("offsets")
        self._check()
        self._offsets.append((group_id, dict(offsets)))

    async def commit_transaction(self) -> None:
        """Make all of it visible in one step, or raise `ProducerFenced`."""
        await self._log.point("commit")
        self._check()
        assert self._begun, "no transaction"
        for topic, partition, batch in self.batches:
            for fields in batch.records:
                self._log.append(
                    topic,
                    partition,
                    key=fields["key"],
                    value=fields["value"],
                    headers=tuple(fields["headers"]),
                    timestamp_ms=fields["timestamp"],
                )
        for topic, partition in {(topic, partition): None for topic, partition, _ in self.batches}:
            self._log.mark(topic, partition)
        for group_id, offsets in self._offsets:
            for (topic, partition), offset in offsets.items():
                self._log.committed[group_id, topic, partition] = offset
        self._log.transactions += 1
        self._begun = False
        await self._log.point("committed")

    def _check(self) -> None:
        if self._log.epochs.get(self.transactional_id) != self._epoch:
            raise ProducerFenced("a newer producer has this transactional id")


@contextmanager
def memory_kafka(log: MemoryLog) -> Iterator[MemoryLog]:
    """Let the partition tasks of this process work on `log` instead of a cluster, for a block."""

    def new_producer(**options: Any) -> MemoryProducer:
        return MemoryProducer(log, options["transactional_id"])

    async def read_changelog(_: Any, topic: str, partition: int) -> dict[bytes, bytes]:
        await log.point("restore")
        return log.last_values(topic, partition)

    async def committed_offsets(
        _: Any, group_id: str, topics: Sequence[str], partition: int
    ) -> dict[str, int]:
        await log.point("committed_offsets")
        return {topic: log.committed.get((group_id, topic, partition), 0) for topic in topics}

    swapped = (
        (streams.tasks, "AIOKafkaProducer", new_producer),
        (streams.tasks, "committed_offsets", committed_offsets),
        (streams.changelog, "read_changelog", read_changelog),
    )
    originals = [(module, name, getattr(module, name)) for module, name, _ in swapped]
    try:
        for module, name, double in swapped:
            setattr(module, name, double)
        yield log
    finally:
        for module, name, original in originals:
            setattr(module, name, original)
