"""Programs that write changelogged state: `ours` by a partition task, `faust` by a Faust Table.

    python -m bench.table_writers ours RECORDS
    python -m bench.table_writers faust BOOTSTRAP TOPIC APP RECORDS WRITES

WRITES is how many keys are written for each message read. Each prints records, CPU seconds and
seconds as one line of JSON. The state is a count by key, each record a key of 16 bytes and a count
as text.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.consumers.faust_stock import run_until, stock_app
from bench.consumers.meter import Meter
from schemas.registry import LISTENERS_CHANGELOG, PLAYS
from segue.config import load_settings
from segue.testing.counting import CountStage, CountState
from streams.priority import Priority
from streams.task import PartitionTask

__all__ = ["FLUSH_KEYS", "TABLE"]

FLUSH_KEYS = 10_000
TABLE = "counts"


async def write_ours(records: int) -> None:
    """Change FLUSH_KEYS keys, commit them with an input offset in one transaction, and again."""
    settings = load_settings()
    plays = PLAYS.topic(settings.topic_prefix)
    changelog = LISTENERS_CHANGELOG.topic(settings.topic_prefix)
    group_id = f"bench-{os.getpid()}"
    producer = AIOKafkaProducer(
        **settings.kafka_client_options(),
        transactional_id=f"{group_id}-0",
        max_batch_size=900_000,
        max_request_size=4_000_000,
    )
    await producer.start()
    try:
        task = PartitionTask(
            stage=CountStage(settings, "listeners", plays, changelog),
            partition=0,
            state=CountState(),
            producer=producer,
            priority=Priority(),
            group_id=group_id,
            generation=1,
        )
        task.begin({plays: 0})
        task.opened = True
        await _flushes(task, plays, Meter(records))
    finally:
        await producer.stop()


async def _flushes(task: PartitionTask[CountState], plays: str, meter: Meter) -> None:
    keys = [f"listener-{i:07d}" for i in range(FLUSH_KEYS)]
    offset = 0
    while not meter.done:
        for key in keys:
            task.state.add(key)
        offset += FLUSH_KEYS
        task.advance(plays, offset, [], FLUSH_KEYS)
        await task.flush()
        meter.add(FLUSH_KEYS)


async def write_faust(source_topic: tuple[str, str], name: str, records: int, writes: int) -> None:
    """Write `writes` keys of a Table for each message until all `records` are in Kafka."""
    bootstrap, topic = source_topic
    app = stock_app(bootstrap, name, 4)
    source = app.topic(topic, value_type=bytes, value_serializer="raw", key_serializer="raw")
    table = app.Table(TABLE, default=int, partitions=4)
    keys = [f"listener-{i:07d}" for i in range(FLUSH_KEYS)]
    meter, done = Meter(records), asyncio.Event()

    @app.agent(source, name="count")
    async def count(values: Any) -> AsyncIterator[None]:  # a stream of bytes
        at = 0
        async for _ in values:
            for key in keys[at : at + writes]:
                table[key] += 1
            at = (at + writes) % FLUSH_KEYS
            if meter.left <= writes:
                await app.producer.flush()  # Faust writes in the background
            meter.add(writes)
            if meter.done:
                done.set()
            yield

    await run_until(app, done)


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        asyncio.run(write_ours(int(sys.argv[2])))
    else:
        asyncio.run(
            write_faust((sys.argv[2], sys.argv[3]), sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
        )
