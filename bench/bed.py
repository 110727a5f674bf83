"""What benchmarks run on: a private real Kafka and Redis, topics, a worker process, plays.

Everything is on free ports and in a temporary folder, ends with the benchmark that opened it, and
dies with this process.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from schemas.events import PlayEvent
from segue.client import PlayProducer
from segue.clock import SystemClock
from segue.config import Settings
from segue.local import KafkaCluster, RedisNode, free_port
from segue.local.process import ManagedProcess
from segue.local.state import WorkerEndpoint
from segue.local.worker_process import SEGUE_COMMAND, WorkerProcess, worker_environment
from segue.sim.simulator import Simulator
from segue.testing import fresh_settings, kafka_cluster, redis_server
from streams.admin import apply_changes

__all__ = ["Bed", "Say", "send_backlog", "simulated_plays", "test_bed"]

Say = Callable[[str], None]

CHUNK_PLAYS = 20_000


@dataclass(frozen=True, slots=True)
class Bed:
    """Running servers, and a folder for logs and data."""

    kafka: KafkaCluster
    redis: RedisNode
    directory: Path

    async def fresh(self, **overrides: Any) -> Settings:
        """Return settings with topics that nobody used, created; Redis is emptied."""
        settings = fresh_settings(self.kafka, self.redis, data_dir=self.directory, **overrides)
        async with Redis.from_url(self.redis.url) as client:
            await client.flushall()
        await apply_changes(settings, SystemClock())
        return settings

    @asynccontextmanager
    async def worker(
        self, settings: Settings, *, command: Sequence[str] = SEGUE_COMMAND
    ) -> AsyncIterator[WorkerProcess]:
        """Run a worker process for a block: `segue worker recommend`, as the product does."""
        worker = self.worker_process(settings, command=command)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()

    def worker_process(
        self, settings: Settings, *, command: Sequence[str] = SEGUE_COMMAND
    ) -> WorkerProcess:
        """Return a worker that was not started yet. Its log is recommend.log."""
        return WorkerProcess(
            WorkerEndpoint("recommend", "recommend", free_port()),
            worker_environment(settings),
            log_path=self.directory / "recommend.log",
            drain_timeout_s=settings.drain_timeout_s,
            command=command,
        )

    async def program(
        self, argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None
    ) -> str:
        """Run a program of bench to its end. Returns its result, a line of JSON.

        Raises RuntimeError, with the end of what it said, if it failed or took too long.
        """
        log_path = self.directory / f"program-{time.monotonic_ns()}.log"
        process = ManagedProcess("program", argv, log_path=log_path)
        process.start(env)
        try:
            code = await process.wait(timeout_s)
        finally:
            await process.kill()
        said = log_path.read_text(encoding="utf-8").splitlines()
        results = [line for line in said if line.startswith('{"events"')]
        if code != 0 or not results:
            raise RuntimeError(f"{' '.join(argv)} ended with {code}: {process.log_tail(5)}")
        return results[-1]


@asynccontextmanager
async def test_bed() -> AsyncIterator[Bed]:
    """Start Kafka and Redis for a block."""
    with tempfile.TemporaryDirectory(prefix="segue-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        async with (
            kafka_cluster(directory=directory, heap_mb=768) as kafka,
            redis_server(directory=directory) as redis,
        ):
            yield Bed(kafka, redis, directory)


def simulated_plays(
    count: int, *, listeners: int = 10_000, tracks: int = 20_000
) -> list[PlayEvent]:
    """Return plays as a service sees them: interleaved, in the order of their natural time."""
    return list(Simulator(1, listeners=listeners, tracks=tracks).plays(count))


async def send_backlog(settings: Settings, plays: Sequence[PlayEvent]) -> None:
    """Write plays to Kafka by the product's client. Returns when all of them are stored."""
    bootstrap, prefix = settings.kafka_bootstrap, settings.topic_prefix
    async with PlayProducer(bootstrap, topic_prefix=prefix) as producer:
        for start in range(0, len(plays), CHUNK_PLAYS):
            await producer.send_many(plays[start : start + CHUNK_PLAYS])
            await asyncio.sleep(0)
        await producer.flush()
