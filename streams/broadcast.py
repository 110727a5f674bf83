"""What every worker needs: a compacted topic read whole, then followed for ever.

Each worker reads all partitions, without a group, committed records only. What it reads is applied
by a synchronous function, in steps of about a millisecond between which the lists of listeners go
first. The worker joins its group once all such topics were read to where they ended at its start.
Nothing is kept on disk: a worker that starts again reads again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NoReturn

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition

from segue.config import Settings
from segue.telemetry import metrics
from segue.telemetry.health import Health
from segue.telemetry.logs import get_logger
from streams.priority import Priority
from streams.unpacked import hand_out_unpacked

__all__ = ["Apply", "Bad", "BroadcastReader"]

logger = get_logger(__name__)

FETCH_BYTES_MAX: Final = 4_000_000  # of a broker, so what waits in memory; one batch may be larger
FETCH_WAIT_MS: Final = 100
IDLE_MS: Final = 1_000
STEP_S: Final = 0.001
STEP_RECORDS: Final = (50, 5_000)
PROGRESS_S: Final = 2.0
RETRY_S: Final = 1.0
METADATA_MAX_AGE_MS: Final = 30_000  # how late new partitions are seen
CALL_S: Final = 30.0  # of an await on Kafka that is not a fetch

Bad = tuple[int, str]
"""The index of a record that could not be read, and why."""
Apply = Callable[[Sequence[bytes], Sequence[bytes | None]], Sequence[Bad]]
"""Takes keys and values of consecutive records of one partition, applies them in that order, and
returns those that it skipped. A value of None deletes its key; a missing key is empty. May be given
a record again. Must not block; what it raises stops the worker."""


class BroadcastReader:
    """Reads all partitions of one compacted topic, for one worker.

    Complete means: everything was applied that was committed when the reading began. Kafka may go
    away and come back; reading goes on where it stopped. A record that `apply` cannot read is
    counted, logged with its offset, and skipped.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        apply: Apply,
        *,
        health: Health,
        priority: Priority,
    ) -> None:
        self.topic = topic
        self._settings, self._apply = settings, apply
        self._health, self._priority = health, priority
        self._name = f"{topic} read"
        self._position: dict[TopicPartition, int] = {}
        self._wanted: dict[TopicPartition, int] = {}  # the ends when the reading began
        self._ends: dict[TopicPartition, int] = {}  # as last fetched
        self._step_records = STEP_RECORDS[0]
        self._complete = asyncio.Event()
        self._began_s = self._reported_s = time.monotonic()
        self._records_count = 0
        health.not_ready(self._name)
        health.watch(self._name, self._is_behind)

    @property
    def is_complete(self) -> bool:
        """Whether everything was applied that there was at the start."""
        return self._complete.is_set()

    async def complete(self) -> None:
        """Wait until everything was applied that there was at the start."""
        await self._complete.wait()

    async def run(self) -> NoReturn:
        """Read until cancelled. Raises what Kafka says that a retry does not heal."""
        while True:
            try:
                async with self._consumer() as consumer:
                    await self._follow(consumer)
            except KafkaError as error:
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
                logger.warning("broadcast_interrupted", topic=self.topic, error=repr(error))
            self._health.beat(self._name)  # waiting, not stuck: a restart would not help
            await asyncio.sleep(RETRY_S)

    def observe(self) -> None:
        """Report how many records wait."""
        metrics.LAG.labels(self.topic).set(self._lag())

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[Any]:
        consumer: Any = AIOKafkaConsumer(
            **self._settings.kafka_client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )
        try:
            async with asyncio.timeout(CALL_S):
                await consumer.start()
            hand_out_unpacked(consumer._fetcher)
            yield consumer
        except TimeoutError as error:
            raise KafkaTimeoutError(f"no answer within {CALL_S:g} s") from error
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CALL_S):
                    await consumer.stop()

    async def _follow(self, consumer: Any) -> NoReturn:
        async with asyncio.timeout(CALL_S):
            await consumer._client.add_topic(self.topic)
            await self._assign(consumer)
            if not self._wanted:
                self._wanted = await consumer.end_offsets(consumer.assignment())
        while True:
            await self._note(consumer)
            wait_ms = IDLE_MS if self._complete.is_set() else FETCH_WAIT_MS
            fetched = await consumer.getmany(timeout_ms=wait_ms, max_records=self._step_records)
            for tp, records in fetched.items():
                await self._priority.give_way()
                self._take(tp, records)
            await self._assign(consumer)

    async def _assign(self, consumer: Any) -> None:
        """Take all partitions there are, those known at the position held."""
        numbers = consumer.partitions_for_topic(self.topic)
        if not numbers:
            raise UnknownTopicOrPartitionError(self.topic)
        partitions = {TopicPartition(self.topic, number) for number in numbers}
        if partitions == consumer.assignment():
            return
        consumer.assign(sorted(partitions))
        for tp in partitions & self._position.keys():
            consumer.seek(tp, self._position[tp])
        if new := sorted(partitions - self._position.keys()):
            await consumer.seek_to_beginning(*new)

    def _take(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        """Apply records in one step, and let the next one be as long as a step should be."""
        started_s = time.perf_counter()
        keys = [record.key or b"" for record in records]
        values = [record.value or None for record in records]
        bad = self._apply(keys, values)
        took_s = max(time.perf_counter() - started_s, 1e-6)
        least, most = STEP_RECORDS
        self._step_records = max(least, min(most, int(len(records) * STEP_S / took_s)))
        self._count(values, bad)
        if bad:
            index, reason = bad[0]
            logger.warning(
                "broadcast_records_skipped",
                topic=tp.topic,
                partition=tp.partition,
                offset=records[index].offset,
                reason=reason,
                count=len(bad),
            )

    def _count(self, values: Sequence[bytes | None], bad: Sequence[Bad]) -> None:
        deleted = values.count(None) - sum(values[index] is None for index, _ in bad)
        applied = len(values) - deleted - len(bad)
        for outcome, count in (("applied", applied), ("deleted", deleted), ("bad", len(bad))):
            metrics.BROADCAST.labels(self.topic, outcome).inc(count)
        self._records_count += len(values)
        self._health.beat(self._name)

    async def _note(self, consumer: Any) -> None:
        """Note how far it is, and whether that is all there was."""
        for tp in consumer.assignment():
            self._position[tp] = await consumer.position(tp)
            self._ends[tp] = consumer.last_stable_offset(tp) or 0
        if self._complete.is_set():
            return
        now_s = time.monotonic()
        left = sum(max(0, end - self._position[tp]) for tp, end in self._wanted.items())
        if left == 0:
            self._complete.set()
            self._health.ready(self._name)
            seconds = round(now_s - self._began_s, 2)
            records = self._records_count
            logger.info("broadcast_read", topic=self.topic, records=records, seconds=seconds)
        elif now_s - self._reported_s > PROGRESS_S:
            self._reported_s = now_s
            logger.info("broadcast_reading", topic=self.topic, offsets_left=left)

    def _is_behind(self) -> bool:
        return not self._complete.is_set() or self._lag() > 0

    def _lag(self) -> int:
        return sum(max(0, end - self._position.get(tp, 0)) for tp, end in self._ends.items())
