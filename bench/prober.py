"""A listener with a stop-watch: plays, and polls Redis until its list is a newer one.

What it measures is what an app sees: from handing the play to the client until the list can be
read, so the client's and Kafka's part are in it, and up to one poll.
"""

from __future__ import annotations

import asyncio
import time

from redis.asyncio import Redis

from schemas.events import PlayEvent
from schemas.outputs import VERSION_START, VERSION_WIDTH
from schemas.rediskeys import next_key
from segue.client import PlayProducer
from segue.config import Settings

__all__ = ["probe"]

POLL_S = 0.001
PAUSE_S = 0.05
GIVE_UP_S = 10.0
LISTENERS = 40
PLAYED_MS = 180_000


async def probe(settings: Settings, *, seconds: float) -> list[float]:
    """Play about 15 times a second for `seconds`; return the waits in seconds.

    A wait that did not end within GIVE_UP_S counts as that long.
    """
    waits: list[float] = []
    bootstrap, prefix = settings.kafka_bootstrap, settings.topic_prefix
    async with (
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
        PlayProducer(bootstrap, topic_prefix=prefix, linger_ms=0) as producer,
    ):
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            waits.append(await _wait_of(producer, redis, len(waits)))
            await asyncio.sleep(PAUSE_S)
    return waits


async def _wait_of(producer: PlayProducer, redis: Redis, index: int) -> float:
    """Send one play and return how long its list took."""
    user_id = f"prober-{index % LISTENERS}"
    key = next_key(user_id)
    before = await _version(redis, key)
    began_s = time.perf_counter()
    await producer.send(_play(user_id, index))
    while await _version(redis, key) == before:
        if time.perf_counter() - began_s > GIVE_UP_S:
            return GIVE_UP_S
        await asyncio.sleep(POLL_S)
    return time.perf_counter() - began_s


async def _version(redis: Redis, key: str) -> object:
    return await redis.getrange(key, VERSION_START, VERSION_START + VERSION_WIDTH - 1)


def _play(user_id: str, index: int) -> PlayEvent:
    return PlayEvent(
        event_id=f"{user_id}-{index}-{time.time_ns()}",
        user_id=user_id,
        track_id=f"probe-{index % 97}",
        started_at_ms=time.time_ns() // 1_000_000 - PLAYED_MS,
        played_ms=PLAYED_MS,
        duration_ms=PLAYED_MS + 20_000,
        end_reason="finished",
        market="SE",
    )
