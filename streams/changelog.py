"""Read a partition's state back from its changelog, and the offsets it belongs to.

A changelog is read committed, to its end, with the last value of each key kept as bytes; only
then is state built, so that superseded records cost next to nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from segue.config import Settings
from segue.telemetry import metrics
from segue.telemetry.logs import get_logger
from streams.stage import KeyedState, Stage, StateT

__all__ = ["committed_offsets", "read_changelog", "read_key", "restore"]

logger = get_logger(__name__)

SLICE = 256  # keys built before the event loop gets its turn
PROGRESS_S = 2.0


async def restore(
    settings: Settings, stage: Stage[StateT], partition: int, state: KeyedState
) -> None:
    """Fill `state` with what the changelog of `partition` holds. Logs progress while it reads."""
    started_s = time.monotonic()
    latest = await read_changelog(settings, stage.changelog, partition)
    for index, (key, value) in enumerate(latest.items()):
        if index % SLICE == 0:
            await asyncio.sleep(0)
        state.restore(key, value)
    seconds = time.monotonic() - started_s
    metrics.RESTORE.labels(stage.name).inc(len(latest))
    metrics.RESTORE_SECONDS.observe(seconds)
    logger.info(
        "state_restored",
        stage=stage.name,
        partition=partition,
        keys=len(latest),
        seconds=round(seconds, 2),
    )


async def read_changelog(settings: Settings, topic: str, partition: int) -> dict[bytes, bytes]:
    """Return the last value of each key; deleted keys are absent."""
    async with _at_beginning(settings, TopicPartition(topic, partition)) as (consumer, tp, end):
        return await _read_to(consumer, tp, end)


async def read_key(
    settings: Settings,
    place: tuple[str, int],
    key: bytes,
    report: Callable[[int, int], None],
) -> ConsumerRecord | None:
    """Return the last record of one key in a partition of a changelog; None if it is deleted.

    For a person who asks about one key: reads the partition to its end, in constant memory, and
    reports how many of how many offsets it has passed. Raises what Kafka's client raises.
    """
    found: ConsumerRecord | None = None
    async with _at_beginning(settings, TopicPartition(*place)) as (consumer, tp, end):
        first = position = await consumer.position(tp)
        while position < end:
            for records in (await consumer.getmany(tp, timeout_ms=500)).values():
                found = next((r for r in reversed(records) if r.key == key), found)
            position = await consumer.position(tp)
            report(position - first, end - first)
    return None if found is None or found.value is None else found


@asynccontextmanager
async def _at_beginning(
    settings: Settings, tp: TopicPartition
) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition, int]]:
    """A reader of what is committed in a partition, from its beginning, and where that ends."""
    consumer = AIOKafkaConsumer(
        **settings.kafka_client_options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=8_000_000,
        fetch_max_wait_ms=50,  # stopping waits for the fetch under way
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        yield consumer, tp, end
    finally:
        await consumer.stop()


async def _read_to(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> dict[bytes, bytes]:
    latest: dict[bytes, bytes] = {}
    reported_s = time.monotonic()
    while (position := await consumer.position(tp)) < end:
        for records in (await consumer.getmany(tp, timeout_ms=500)).values():
            for record in records:
                if record.value is None:
                    latest.pop(record.key, None)
                else:
                    latest[record.key] = record.value
        if time.monotonic() - reported_s > PROGRESS_S:
            reported_s = time.monotonic()
            logger.info("state_restoring", topic=tp.topic, offset=position, end=end)
    return latest


async def committed_offsets(
    settings: Settings, group_id: str, topics: Iterable[str], partition: int
) -> dict[str, int]:
    """Return where the group goes on in each topic: its committed offset, else the beginning."""
    partitions = [TopicPartition(topic, partition) for topic in topics]
    admin = AIOKafkaAdminClient(**settings.kafka_client_options())
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(group_id, partitions=partitions)
    finally:
        await admin.close()
    offsets = {tp.topic: committed[tp].offset for tp in partitions if tp in committed}
    missing = [tp for tp in partitions if offsets.get(tp.topic, -1) < 0]
    if missing:
        consumer = AIOKafkaConsumer(**settings.kafka_client_options())
        await consumer.start()
        try:
            beginnings = await consumer.beginning_offsets(missing)
        finally:
            await consumer.stop()
        offsets.update({tp.topic: beginnings[tp] for tp in missing})
    return offsets
