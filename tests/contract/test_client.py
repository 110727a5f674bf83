"""The client against real Kafka and Redis: what it sends and reads is what the contract says."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from schemas.codec import EventDecoder, encode_event
from schemas.murmur2 import partition_of
from schemas.outputs import encode_list, encode_similar, encode_trending, format_version
from schemas.rediskeys import discover_key, next_key, similar_key, trend_key
from schemas.registry import FEEDBACK, PLAYS
from segue.client import Feedback, ListReader, PlayEvent, PlayProducer, movement
from segue.errors import Unavailable
from segue.local import KafkaCluster, RedisNode, free_port

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

PARTITIONS = 4
VERSION = format_version(1_795_383_600_000, 7)


def play(number: int, user_id: str = "listener-1", **changes: Any) -> PlayEvent:
    event = PlayEvent(
        event_id=f"e-{number}",
        user_id=user_id,
        track_id=f"track-{number % 7}",
        started_at_ms=1_795_383_612_345 + number,
        played_ms=184_000,
        duration_ms=215_000,
        end_reason="finished",
    )
    return msgspec.structs.replace(event, **changes)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with KafkaCluster(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka.bootstrap


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with RedisNode(tmp_path_factory.mktemp("redis")) as redis:
        yield redis.url


async def create_topics(bootstrap: str, prefix: str, **config: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [spec.topic(prefix) for spec in (PLAYS, FEEDBACK)]
        await admin.create_topics(
            [NewTopic(name, PARTITIONS, 1, topic_configs=config) for name in names]
        )
    finally:
        await admin.close()


async def records_of(bootstrap: str, topic: str) -> list[Any]:
    """Every record of the topic, partition by partition. Any: aiokafka publishes no types."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        deadline_s = time.monotonic() + 30
        while len(found) < sum(ends.values()):
            assert time.monotonic() < deadline_s, f"read {len(found)} of {ends}"
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(records)
        return found
    finally:
        await consumer.stop()


async def test_play_arrives_as_the_contract_says(bootstrap: str) -> None:
    await create_topics(bootstrap, "one.")
    before_ms = time.time_ns() // 1_000_000
    plays = [play(number, f"lyssnare-{number}-å") for number in range(20)]
    async with PlayProducer(bootstrap, topic_prefix="one.") as producer:
        for event in plays:
            await producer.send(event)
        await producer.flush()
        records = await records_of(bootstrap, "one.plays.v1")
    assert sorted(record.value for record in records) == sorted(map(encode_event, plays))
    decode = EventDecoder(PlayEvent).decode
    for record in records:
        events = decode(record.value)
        assert isinstance(events, list)
        assert record.key == events[0].user_id.encode()
        assert record.partition == partition_of(record.key, PARTITIONS)
        assert before_ms <= record.timestamp <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(("prefix", "batch_bytes"), [("many.", 131_072), ("tiny.", 100)])
async def test_many_plays_keep_their_listeners_order_and_partition(
    bootstrap: str, prefix: str, batch_bytes: int
) -> None:
    # 100 bytes are less than one play: each batch still takes one.
    await create_topics(bootstrap, prefix)
    plays = [play(number, f"listener-{number % 11}") for number in range(300)]
    async with PlayProducer(bootstrap, topic_prefix=prefix, max_batch_size=batch_bytes) as producer:
        await producer.send_many(plays[:200])
        await producer.send_many(plays[200:])
        await producer.send_many([])
    records = await records_of(bootstrap, f"{prefix}plays.v1")
    for number in range(11):
        key = f"listener-{number}".encode()
        mine = [record for record in records if record.key == key]
        assert [record.value for record in mine] == [
            encode_event(event) for event in plays if event.user_id.encode() == key
        ]
        assert {record.partition for record in mine} == {partition_of(key, PARTITIONS)}
    assert len(records) == len(plays)


async def test_feedback_goes_to_its_own_topic(bootstrap: str) -> None:
    await create_topics(bootstrap, "said.")
    block = Feedback(
        event_id="f-1",
        user_id="listener-1",
        kind="block_track",
        track_id="track-1",
        at_ms=1_795_383_612_345,
    )
    async with PlayProducer(bootstrap, topic_prefix="said.") as producer:
        await producer.send_feedback(block)
    (record,) = await records_of(bootstrap, "said.feedback.v1")
    assert EventDecoder(Feedback).decode(record.value) == [block]
    assert await records_of(bootstrap, "said.plays.v1") == []


async def test_what_segue_would_reject_is_not_sent(bootstrap: str) -> None:
    await create_topics(bootstrap, "bad.")
    async with PlayProducer(bootstrap, topic_prefix="bad.") as producer:
        with pytest.raises(ValueError, match="id_too_long"):
            await producer.send(play(1, "x" * 257))
        with pytest.raises(ValueError, match="out_of_range"):
            await producer.send_many([play(1), play(2, played_ms=-1)])
    assert await records_of(bootstrap, "bad.plays.v1") == []


async def test_event_that_kafka_refuses_is_unavailable_at_flush(bootstrap: str) -> None:
    await create_topics(bootstrap, "small.", **{"max.message.bytes": "500"})
    async with PlayProducer(bootstrap, topic_prefix="small.") as producer:
        await producer.send(play(1, title="x" * 1000))
        with pytest.raises(Unavailable, match="MessageSizeTooLarge"):
            await producer.flush()


async def test_event_that_kafka_refuses_is_unavailable_at_the_end(bootstrap: str) -> None:
    await create_topics(bootstrap, "end.", **{"max.message.bytes": "500"})
    with pytest.raises(Unavailable, match="MessageSizeTooLarge"):
        async with PlayProducer(bootstrap, topic_prefix="end.") as producer:
            await producer.send_many([play(1, title="x" * 1000)])


async def test_missing_kafka_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        async with PlayProducer(f"127.0.0.1:{free_port()}"):
            pass


async def test_lists_are_read_as_workers_write_them(redis_url: str) -> None:
    songs, scores, sources = ["track-1", "トラック/42"], [1.0, 0.5], ["together", "popular"]
    session, because = ["track-7", "track-3"], [1, -1]
    columns = (songs, scores, sources, because)
    async with Redis.from_url(redis_url) as redis:
        for kind, key in (("next", next_key("å")), ("discover", discover_key("å"))):
            raw = encode_list(
                VERSION,
                "å",
                kind=kind,  # type: ignore[arg-type]  # a tuple's strings are no literals
                at_ms=1,
                session=session,
                columns=columns,
            )
            await redis.set(key, raw)
        await redis.set(
            similar_key("track-1"),
            encode_similar(
                VERSION,
                "track-1",
                at_ms=1,
                plays=2,
                columns=(songs, [5040, 2520], [2520, 0], [630, 2520]),
            ),
        )
    async with ListReader(redis_url) as lists:
        upcoming, fresh = await lists.next("å"), await lists.discover("å")
        similar = await lists.similar("track-1")
    assert upcoming is not None
    assert (upcoming.kind, upcoming.track_ids, upcoming.scores) == ("next", songs, scores)
    assert fresh is not None
    assert (fresh.kind, fresh.sources) == ("discover", sources)
    assert (fresh.session, fresh.because) == (session, because)
    assert similar is not None
    assert (similar.track_id, similar.track_ids) == ("track-1", songs)
    assert (similar.after, similar.lately) == ([2520, 0], [630, 2520])


async def test_trends_are_read_with_their_movement(redis_url: str) -> None:
    songs, rates = ["track-1", "トラック/42", "track-3"], [1.0, -0.5, 0.1]
    columns = (songs, [9.0, 8.5, 3.0], rates, ["rising", "falling", "steady"])
    async with Redis.from_url(redis_url) as redis:
        raw = encode_trending(
            VERSION, "SE", window="week", at_ms=1, shifted_at_ms=60_000, columns=columns
        )
        await redis.set(trend_key("SE", "week"), raw)
    async with ListReader(redis_url) as lists:
        trends = await lists.trends("SE", window="week")
    assert trends is not None
    assert (trends.market, trends.window, trends.shifted_at_ms) == ("SE", "week", 60_000)
    assert (trends.track_ids, trends.scores, trends.accelerations) == columns[:3]
    assert [movement(trends, i) for i in range(3)] == ["▲ ×2.0", "▼ ×0.7", "→"]


async def test_unknown_listener_has_no_list(redis_url: str) -> None:
    async with ListReader(redis_url) as lists:
        assert await lists.next("nobody") is None
        assert await lists.discover("nobody") is None
        assert await lists.similar("nothing") is None
        assert await lists.trends("XX") is None


async def test_value_of_another_kind_is_a_value_error(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.set(next_key("odd"), b'{"version":"x"}')
    async with ListReader(redis_url) as lists:
        with pytest.raises(ValueError):
            await lists.next("odd")


async def test_missing_redis_is_unavailable() -> None:
    async with ListReader(f"redis://127.0.0.1:{free_port()}/0", timeout_s=1.0) as lists:
        with pytest.raises(Unavailable):
            await lists.next("listener-1")
