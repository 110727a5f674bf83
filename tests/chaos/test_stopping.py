"""SIGTERM at any moment of a worker's start ends it in time."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from segue.clock import SystemClock
from segue.local import KafkaCluster, RedisNode
from segue.testing import eventually, fresh_settings
from segue.testing.crew import Crew
from segue.testing.load import PlayStream, send_all
from segue.testing.verify import assert_exact
from streams.admin import apply_changes

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

STOPS, WITHIN_S = 40, 6.0


async def test_a_worker_stopped_while_it_opens_leaves_in_time(
    kafka: KafkaCluster, redis: RedisNode, tmp_path: Path
) -> None:
    """An aiokafka client that is being closed swallows a cancellation: tasks once hung on that."""
    settings = fresh_settings(kafka, redis)
    await apply_changes(settings, SystemClock())
    stream = PlayStream(settings, seed=21)
    chance = random.Random(21)
    async with Crew(settings, tmp_path) as crew:
        (worker,) = await crew.hire()
        for stop in range(STOPS):
            await send_all(settings, stream.singles(200))
            seen = worker.log.count("partitions_assigned")
            await eventually(
                lambda seen=seen: worker.log.count("partitions_assigned") > seen,  # type: ignore[misc]
                60,
                interval_s=0.01,
            )
            await asyncio.sleep(chance.uniform(0, 0.5))
            started_s = time.monotonic()
            assert await worker.stop() == 0
            assert time.monotonic() - started_s < WITHIN_S, f"stop {stop}: {worker.log[-3000:]}"
            await worker.start()
        await assert_exact(settings)
