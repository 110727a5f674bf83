"""A new transition in another listener's list: milliseconds until it is there, p50 and p99.

    python -m bench.freshness [--json FILE] [--quick]

While a generator sends RATE plays a second in an open loop, probes ask: one listener plays a track
and then another that nobody played after it; how long until it is in the list of a second listener,
who keeps playing the first track? The time counts from handing the second play to the client until
a list that holds its track was read from Redis. A list is made when its listener plays, and this
one plays every PLAY_S: so up to that is in the time, as are learning, the pair's way through Kafka
to the row's owner, its row in Redis, and the cache of the worker that makes the list. With two
workers, owner and maker are often not the same.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence

from redis.asyncio import Redis

from bench.bed import Bed, Say
from bench.command import run_benchmarks
from bench.latency import SETTLE_S, generate
from bench.measure import Figure, Plan
from schemas.events import PlayEvent
from schemas.rediskeys import next_key
from segue.client import PlayProducer
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew

__all__ = ["measure"]

CREWS = (1, 2)
RATE = 2_000  # plays/s
PROBES = 240
ABREAST = 8
PROBE_MAX_S = 1.5  # for each; a slower machine makes fewer probes
PLAY_S = 0.1
POLL_S = 0.005
GIVE_UP_S = 10.0
PLAYED_MS = 180_000
P99_MAX_MS = 1_000.0


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Probe each crew `plan.runs` times."""
    figures = []
    for size in CREWS:
        settings = await bed.fresh()
        runs = []
        async with Crew(settings, bed.directory) as crew:
            await crew.hire(size)
            await crew.all_ready()
            for run in range(plan.runs):
                runs.append(sorted(await _probe_all(bed, settings, plan)))
                p50, p99 = _quantiles(runs[-1])
                say(f"{size} workers, run {run + 1}: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        figures += _figures(size, runs)
    return figures


async def _probe_all(bed: Bed, settings: Settings, plan: Plan) -> list[float]:
    """Return the waits in seconds, those that came to an end under the load."""
    seconds = SETTLE_S + plan.size_s(PROBE_MAX_S * PROBES / ABREAST)
    until_s = time.monotonic() + seconds
    sending = asyncio.create_task(generate(bed, settings, str(RATE), seconds))
    await asyncio.sleep(SETTLE_S)
    bootstrap, prefix = settings.kafka_bootstrap, settings.topic_prefix
    async with (
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
        PlayProducer(bootstrap, topic_prefix=prefix, linger_ms=0) as producer,
    ):
        probe = _Probe(producer, redis)
        waits: list[float] = []

        async def lane() -> None:
            while len(waits) < PROBES and time.monotonic() < until_s:
                waits.append(await probe.wait())

        await asyncio.gather(*(lane() for _ in range(ABREAST)))
    await sending
    return waits


class _Probe:
    """Two listeners and two tracks for each question, none of them used before."""

    def __init__(self, producer: PlayProducer, redis: Redis) -> None:
        self._producer = producer
        self._redis = redis
        self._asked = 0
        self._sent = 0

    async def wait(self) -> float:
        """Return how long a transition took, GIVE_UP_S if it did not come."""
        self._asked += 1
        name = f"{self._asked}-{time.time_ns()}"
        first, second, reader = f"first-{name}", f"second-{name}", f"reader-{name}"
        await self._play(f"player-{name}", first)
        await self._play(reader, first)
        await eventually(
            lambda: self._has_list(reader), 6 * GIVE_UP_S, interval_s=POLL_S, claim="a list is made"
        )
        began_s = time.monotonic()
        await self._play(f"player-{name}", second)
        plays_s = began_s
        while not await self._shows(reader, second):
            now_s = time.monotonic()
            if now_s - began_s > GIVE_UP_S:
                return GIVE_UP_S
            if now_s >= plays_s:
                await self._play(reader, first)
                plays_s += PLAY_S
            await asyncio.sleep(POLL_S)
        return time.monotonic() - began_s

    async def _has_list(self, listener: str) -> bool:
        return bool(await self._redis.exists(next_key(listener)))

    async def _shows(self, listener: str, track: str) -> bool:
        found = await self._redis.get(next_key(listener))
        return found is not None and f'"{track}"'.encode() in found

    async def _play(self, listener: str, track: str) -> None:
        self._sent += 1
        await self._producer.send(
            PlayEvent(
                event_id=f"probe-{self._sent}-{time.time_ns()}",
                user_id=listener,
                track_id=track,
                started_at_ms=time.time_ns() // 1_000_000 - PLAYED_MS,
                played_ms=PLAYED_MS,
                duration_ms=PLAYED_MS + 20_000,
                end_reason="finished",
            )
        )


def _quantiles(waits: Sequence[float]) -> tuple[float, float]:
    """Median and p99 in milliseconds; `waits` are sorted."""
    return 1000 * statistics.median(waits), 1000 * waits[
        min(len(waits) - 1, int(0.99 * len(waits)))
    ]


def _figures(size: int, runs: Sequence[Sequence[float]]) -> list[Figure]:
    name = f"new transition -> another listener's list at {RATE:,} plays/s, {size} worker(s)"
    p50, p99 = zip(*map(_quantiles, runs), strict=True)
    probes = f"{min(map(len, runs))} or more probes a run"
    return [
        Figure(f"{name}, p50", "ms", p50, note=probes),
        Figure(f"{name}, p99", "ms", p99, target_max=P99_MAX_MS),
    ]


if __name__ == "__main__":
    run_benchmarks(__doc__, [("freshness", measure)])
