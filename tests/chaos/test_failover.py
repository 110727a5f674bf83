"""Three brokers, three replicas of everything: one broker dies and nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from schemas.registry import PLAYS
from segue.clock import SystemClock
from segue.config import Settings
from segue.local import KafkaCluster, RedisNode
from segue.testing import eventually, fresh_settings, kafka_cluster
from segue.testing.crew import Crew
from segue.testing.load import Load
from segue.testing.verify import assert_exact
from streams.admin import apply_changes

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

DOWN_S = 5.0


@pytest.fixture
async def cluster() -> AsyncIterator[KafkaCluster]:
    async with kafka_cluster(3) as nodes:
        yield nodes


async def test_a_leader_killed_under_load_costs_nothing(
    cluster: KafkaCluster, redis: RedisNode, tmp_path: Path
) -> None:
    settings = fresh_settings(cluster, redis)
    assert settings.replication_factor == 3
    await apply_changes(settings, SystemClock())
    async with Crew(settings, tmp_path) as crew:
        await crew.hire(2)
        await crew.all_ready()
        async with crew.supervised() as restarted:
            async with Load(settings, seed=20, rate_per_s=500) as load:
                for partition in (0, 1):
                    goal = load.sent + 2_000
                    await eventually(lambda goal=goal: load.sent > goal, 60)  # type: ignore[misc]
                    leader = cluster.nodes[await _leader(settings, partition) - 1]
                    await leader.kill()
                    await asyncio.sleep(DOWN_S)
                    await leader.start()
                    await cluster.wait_ready()
                await eventually(lambda: _ready(crew), 90, claim="the workers are ready again")
            truth = await assert_exact(settings, deadline_s=120)
        print(f"{load.sent} messages, restarted: {restarted}")  # noqa: T201  # shown when the test fails
        assert truth.outcomes["applied"] > 2_000


async def _leader(settings: Settings, partition: int) -> int:
    """Return the id of the broker that leads a partition of the plays."""
    admin = AIOKafkaAdminClient(**settings.kafka_client_options())
    await admin.start()
    try:
        (topic,) = await admin.describe_topics([PLAYS.topic(settings.topic_prefix)])
    finally:
        await admin.close()
    return int(next(p["leader"] for p in topic["partitions"] if p["partition"] == partition))


async def _ready(crew: Crew) -> bool:
    return await crew.has_everything()
