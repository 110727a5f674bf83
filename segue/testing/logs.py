"""Whole topics as a reader of committed records sees them, and where a group stands in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from schemas.registry import FEEDBACK, PAIRS, PLAYS, PRIVACY, TREND_COUNTS
from segue.config import Settings

__all__ = ["committed_positions", "read_latest", "read_log", "settled"]

INPUTS = (PLAYS, FEEDBACK, PRIVACY, PAIRS, TREND_COUNTS)
QUIET_MS = 400  # a fetch answers at once where there is anything

Positions = dict[tuple[str, int], int]


async def read_log(settings: Settings, topic: str) -> list[Any]:
    """Return every committed record of a topic, partition by partition, in order of offset."""
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    records: list[Any] = []
    async with _consumer(settings, partitions) as consumer:
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        for tp in partitions:
            while await consumer.position(tp) < ends[tp]:
                for found in (await consumer.getmany(tp, timeout_ms=500)).values():
                    records += found
    return records


async def read_latest(
    settings: Settings, topic: str, *, without: Collection[bytes] = ()
) -> dict[bytes, bytes]:
    """Return the last value of each key of a compacted topic. Deleted keys are absent.

    `without` are keys that each partition has for itself. Raises AssertionError when another key
    is in two partitions: then two tasks thought it theirs.
    """
    latest: dict[bytes, bytes] = {}
    home: dict[bytes, int] = {}
    for record in await read_log(settings, topic):
        if record.key in without:
            continue
        held = home.setdefault(record.key, record.partition)
        assert held == record.partition, f"{topic}: {record.key!r} is in {held} and another"
        if record.value is None:
            latest.pop(record.key, None)
        else:
            latest[record.key] = record.value
    return latest


async def committed_positions(settings: Settings) -> Positions:
    """Return the group's committed offset in each input partition; 0 where there is none."""
    partitions = _input_partitions(settings)
    admin = AIOKafkaAdminClient(**settings.kafka_client_options())
    await admin.start()
    try:
        group = f"{settings.group_prefix}{settings.role}"
        found = await admin.list_consumer_group_offsets(group, partitions=partitions)
    finally:
        await admin.close()
    return {
        (tp.topic, tp.partition): max(0, found[tp].offset if tp in found else 0)
        for tp in partitions
    }


async def settled(settings: Settings) -> bool:
    """Tell whether all stages have committed everything there is.

    True only if nothing waits in any input while no commit happens: a record on its way between
    two stages would show in one or the other.
    """
    before = await committed_positions(settings)
    partitions = _input_partitions(settings)
    async with _consumer(settings, partitions) as consumer:
        for tp in partitions:
            consumer.seek(tp, before[tp])
        waiting = await consumer.getmany(timeout_ms=QUIET_MS, max_records=1)
        if any(waiting.values()):
            return False
        ends = await consumer.end_offsets(partitions)
        for tp in partitions:  # past the markers that close a log, so all of it was looked at
            if await consumer.position(tp) < ends[tp]:
                return False
    return before == await committed_positions(settings)


def _input_partitions(settings: Settings) -> list[TopicPartition]:
    return [
        TopicPartition(spec.topic(settings.topic_prefix), number)
        for spec in INPUTS
        for number in range(settings.partitions)
    ]


@asynccontextmanager
async def _consumer(
    settings: Settings, partitions: Iterable[TopicPartition]
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **settings.kafka_client_options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        consumer.assign([*partitions])
        yield consumer
    finally:
        await consumer.stop()
