"""A hundred kills, and three brokers of which the leader dies: every count stays exact."""

import random
from pathlib import Path

import pytest

from segue.clock import SystemClock
from segue.local import KafkaCluster, RedisNode
from segue.testing import fresh_settings
from segue.testing.crew import Crew
from segue.testing.killing import kill_at_random
from segue.testing.load import Load
from segue.testing.verify import assert_exact
from streams.admin import apply_changes

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


async def test_a_hundred_kills_under_load_lose_and_double_nothing(
    kafka: KafkaCluster, redis: RedisNode, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    # Sessions as short as that let the others take over, and work, before the next kill.
    settings = fresh_settings(kafka, redis, session_timeout_s=2, heartbeat_interval_s=0.5)
    await apply_changes(settings, SystemClock())
    async with Crew(settings, tmp_path) as crew:
        await crew.hire(2)
        await crew.all_ready()
        async with Load(settings, seed=seed) as load:
            done = await kill_at_random(crew, kills=100, seed=seed)
        truth = await assert_exact(settings, deadline_s=300)
    print(f"seed {seed}: {load.sent} messages, {dict(truth.outcomes)}, {dict(done)}")  # noqa: T201  # shown when the test fails
    assert truth.outcomes["applied"] > load.sent / 2
