"""What every worker reads whole: all of it, in order, for ever, whatever Kafka does meanwhile."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.new_partitions import NewPartitions

from segue.config import Settings
from segue.local import KafkaCluster
from segue.telemetry.health import Health
from segue.telemetry.metrics import BROADCAST
from segue.testing import eventually, fresh_settings
from streams import broadcast, priority
from streams.batches import Batch, Poll
from streams.broadcast import Bad, BroadcastReader
from streams.priority import Priority

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PARTITIONS = 2
Send = Callable[..., Awaitable[None]]


class Reading:
    """A reader of a topic, and what it was given."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.health, self.priority = Health(), Priority()
        self.held: dict[bytes, bytes] = {}
        self.steps: list[int] = []
        self.record_s = 0.0
        self.reader = BroadcastReader(
            settings, topic, self._apply, health=self.health, priority=self.priority
        )
        self.running: asyncio.Task[Any] | None = None

    def _apply(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> Sequence[Bad]:
        self.steps.append(len(keys))
        time.sleep(self.record_s * len(keys))
        bad = []
        for index, (key, value) in enumerate(zip(keys, values, strict=True)):
            if value == b"poison":
                bad.append((index, "poison"))
            elif value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value
        return bad

    async def __aenter__(self) -> "Reading":
        self.running = asyncio.create_task(self.reader.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.running is not None
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running


@pytest.fixture
def settings(kafka: KafkaCluster) -> Settings:
    return fresh_settings(kafka)


@pytest.fixture
async def topic(settings: Settings) -> str:
    name = f"test-{uuid.uuid4().hex[:12]}"
    async with admin(settings) as client:
        compacted = {"cleanup.policy": "compact"}
        await client.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=compacted)])
    return name


@pytest.fixture
def send(settings: Settings, topic: str) -> Send:
    async def sent(pairs: dict[bytes, bytes | None], partition: int | None = None) -> None:
        async with AIOKafkaProducer(**settings.kafka_client_options()) as producer:
            deliveries = [
                await producer.send(topic, value, key=key, partition=partition)
                for key, value in pairs.items()
            ]
            await asyncio.gather(*deliveries)

    return sent


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(**settings.kafka_client_options())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def numbered(count: int, text: str = "value") -> dict[bytes, bytes | None]:
    return {f"key-{i}".encode(): f"{text}-{i}".encode() for i in range(count)}


async def complete(*readings: Reading) -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*(reading.reader.complete() for reading in readings))


async def test_all_workers_hold_the_same_from_the_beginning_and_follow(
    settings: Settings, topic: str, send: Send
) -> None:
    await send(numbered(3_000, "old"))
    newer = numbered(2_000, "new")
    await send(newer)
    await send({b"key-0": None, b"key-1": b""})
    want = numbered(3_000, "old") | newer
    del want[b"key-0"], want[b"key-1"]
    async with Reading(settings, topic) as first, Reading(settings, topic) as second:
        assert first.health.readiness() == (False, [f"{topic} read"])
        await complete(first, second)
        assert first.health.readiness() == (True, [])
        assert first.held == second.held == want
        await send({b"key-2": None, b"later": b"value"})
        del want[b"key-2"]
        want[b"later"] = b"value"
        await eventually(lambda: first.held == second.held == want, 5)


async def test_an_empty_topic_is_read_at_once(settings: Settings, topic: str) -> None:
    async with Reading(settings, topic) as reading:
        await complete(reading)
        assert reading.held == {}


async def test_what_a_transaction_aborted_is_not_seen(settings: Settings, topic: str) -> None:
    producer = AIOKafkaProducer(**settings.kafka_client_options(), transactional_id=topic)
    async with producer:
        for outcome in (producer.abort_transaction, producer.commit_transaction):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, outcome.__name__.encode(), key=b"key")
            await outcome()
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"open", key=b"another", partition=0)
        async with Reading(settings, topic) as reading:
            await complete(reading)  # the transaction that is open holds nobody up
            assert reading.held == {b"key": b"commit_transaction"}
            await producer.commit_transaction()
            await eventually(lambda: reading.held.get(b"another") == b"open", 5)


async def test_a_poison_record_is_counted_logged_with_its_offset_and_skipped(
    settings: Settings, topic: str, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    await send(numbered(10), partition=1)
    await send({b"bad": b"poison"}, partition=1)
    await send(numbered(5, "after"), partition=1)
    async with Reading(settings, topic) as reading:
        await complete(reading)
        assert reading.held == numbered(10) | numbered(5, "after")
    counts = {o: BROADCAST.labels(topic, o)._value.get() for o in ("applied", "deleted", "bad")}
    assert counts == {"applied": 15, "deleted": 0, "bad": 1}
    (said,) = [r.msg for r in caplog.records if "broadcast_records_skipped" in str(r.msg)]
    assert isinstance(said, dict)
    assert (said["partition"], said["offset"], said["reason"]) == (1, 10, "poison")


async def test_reading_goes_on_where_it_stopped_when_kafka_comes_back(
    settings: Settings, topic: str, send: Send, kafka: KafkaCluster
) -> None:
    (node,) = kafka.nodes
    await send(numbered(2_000))
    async with Reading(settings, topic) as reading:
        reading.record_s = 0.001  # two seconds of work
        await eventually(lambda: sum(reading.steps) > 100, 10)
        await node.kill()
        async with Reading(settings, topic) as newcomer:
            await eventually(lambda: sum(reading.steps) > 0, 5)
            await node.start()
            await node.wait_ready()
            await complete(reading, newcomer)
            assert reading.held == newcomer.held == numbered(2_000)
        assert sum(reading.steps) == 2_000  # nothing was read twice
        await send({b"later": b"value"})
        await eventually(lambda: reading.held.get(b"later") == b"value", 10)


async def test_a_worker_that_stopped_midway_reads_all_when_it_starts_again(
    settings: Settings, topic: str, send: Send
) -> None:
    await send(numbered(2_000))
    async with Reading(settings, topic) as reading:
        reading.record_s = 0.001
        await eventually(lambda: sum(reading.steps) > 100, 10)
    assert len(reading.held) < 2_000
    assert not reading.health.readiness()[0]
    async with Reading(settings, topic) as again:
        await complete(again)
        assert again.held == numbered(2_000)


async def test_new_partitions_are_read_from_their_beginning(
    settings: Settings, topic: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "METADATA_MAX_AGE_MS", 500)
    await send(numbered(10))
    async with Reading(settings, topic) as reading:
        await complete(reading)
        async with admin(settings) as client:
            await client.create_partitions({topic: NewPartitions(PARTITIONS + 1)})
        await send({b"new": b"value"}, PARTITIONS)
        await eventually(lambda: reading.held.get(b"new") == b"value", 10)
        assert sum(reading.steps) == 10 + 1


async def test_steps_are_short_and_lists_go_first(
    settings: Settings, topic: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(priority, "PATIENCE_S", 60)
    least, _ = broadcast.STEP_RECORDS
    await send(numbered(5_000))
    async with Reading(settings, topic) as reading:
        await complete(reading)
        assert max(reading.steps) > least
        reading.record_s, quick = 0.0001, len(reading.steps)
        await send(numbered(500, "slow"))
        await eventually(lambda: reading.held.get(b"key-499") == b"slow-499", 5)
        await eventually(lambda: sum(reading.steps) == 5_500, 5)
        # Ten records would be enough; what one fetch returned of each may still be more.
        assert sum(step > least for step in reading.steps[quick:]) <= PARTITIONS
        urgent = Poll.of(Batch("plays", 0, [object()], 0))
        reading.priority.add(urgent)
        await send({b"later": b"value"})
        await asyncio.sleep(0.3)  # for a fetch
        assert b"later" not in reading.held
        reading.priority.done(urgent)
        await eventually(lambda: b"later" in reading.held, 5)
