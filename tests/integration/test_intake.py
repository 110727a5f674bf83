"""Events that arrive where they do not belong, and blocks that hold at once."""

import itertools
import time

import pytest
from aiokafka import AIOKafkaProducer

from schemas.events import PlayEvent
from segue.client import ListReader, PlayProducer
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.load import PlayStream, send_all
from segue.testing.stage_a import said
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_events_of_a_wrong_partition_are_forwarded_once_and_counted(
    settings: Settings, crew: Crew
) -> None:
    (worker,) = await crew.hire()
    await crew.all_ready()
    messages = PlayStream(settings, seed=12).astray(500)
    await send_all(settings, messages)
    truth = await assert_exact(settings)
    strays, events = sum(truth.strays.values()), sum(m.value.count(b"event_id") for m in messages)
    assert strays > len(messages)  # each alone, and up to two in each array
    assert sum(truth.outcomes.values()) == events
    assert await worker.metric("segue_forwarded_events_total.*") == strays


async def test_plays_of_an_aborted_transaction_are_not_counted(
    settings: Settings, crew: Crew
) -> None:
    messages = PlayStream(settings, seed=15).singles(2_000)
    await crew.hire()
    producer = AIOKafkaProducer(
        **settings.kafka_client_options(), transactional_id=settings.group_prefix
    )
    await producer.start()
    await producer.begin_transaction()
    for topic, partition, key, value in messages[:1_000]:
        await producer.send(topic, value, key=key, partition=partition)
    await producer.flush()
    await producer.abort_transaction()
    await producer.stop()
    await send_all(settings, messages[1_000:])
    await crew.all_ready()
    truth = await assert_exact(settings)
    assert sum(truth.outcomes.values()) == 1_000


async def test_a_blocked_track_leaves_both_lists_at_once(settings: Settings, crew: Crew) -> None:
    await crew.hire()
    await crew.all_ready()
    url = settings.redis_url.get_secret_value()
    async with (
        PlayProducer(settings.kafka_bootstrap, topic_prefix=settings.topic_prefix) as producer,
        ListReader(url) as reader,
    ):
        now_ms = time.time_ns() // 1_000_000
        for i in range(40):  # ten listeners play a, b, c, d; eve plays a only
            await producer.send(_play(f"e{i}", f"u{i // 4}", "abcd"[i % 4], now_ms - 60_000 + i))
        await producer.flush()

        plays = itertools.count()

        async def lists() -> list[list[str]]:
            found = await reader.next("eve"), await reader.discover("eve")
            return [[] if one is None else one.track_ids for one in found]

        async def suggested() -> bool:
            """Eve plays it once more: is what goes with it in both lists?"""
            at = next(plays)
            await producer.send(_play(f"eve-{at}", "eve", "a", now_ms + at))
            await producer.flush()
            return all("b" in tracks for tracks in await lists())

        async def gone() -> bool:
            return all("b" not in tracks for tracks in await lists())

        await eventually(suggested, 30, interval_s=0.3, claim="b is in both lists")
        await producer.send_feedback(said("block_track", "b", "eve", at_ms=now_ms))
        await producer.flush()
        said_s = time.monotonic()
        await eventually(gone, 5, interval_s=0.005, claim="b has left both lists")
        assert time.monotonic() - said_s < 1.0
        await producer.send_feedback(said("unblock_track", "b", "eve", at_ms=now_ms + 1))
        await producer.flush()
        await eventually(suggested, 10, interval_s=0.3, claim="b comes back")
    await assert_exact(settings)


def _play(event: str, user: str, track: str, at_ms: int) -> PlayEvent:
    return PlayEvent(event, user, track, at_ms, 180_000, 180_000, "finished")
