"""The broker restarts, in order and by a crash, under load."""

import asyncio

import pytest

from segue.config import Settings
from segue.local import KafkaCluster
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.load import Load
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DOWN_S = 2.0


async def test_broker_restarts_under_load_lose_and_double_nothing(
    settings: Settings, crew: Crew, kafka: KafkaCluster
) -> None:
    (node,) = kafka.nodes
    await crew.hire(2)
    await crew.all_ready()
    async with crew.supervised() as restarted:
        async with Load(settings, seed=7, rate_per_s=600) as load:
            for end in (node.stop, node.kill):
                goal = load.sent + 1000
                await eventually(lambda goal=goal: load.sent > goal, 60)  # type: ignore[misc]
                await end()
                await asyncio.sleep(DOWN_S)
                await node.start()
                await node.wait_ready()
            await eventually(lambda: _ready(crew), 60, claim="the workers are ready again")
        truth = await assert_exact(settings, deadline_s=90)
    print(f"restarted: {restarted}")  # noqa: T201  # shown when the test fails
    assert truth.outcomes["applied"] > 1000


async def _ready(crew: Crew) -> bool:
    return await crew.has_everything()
