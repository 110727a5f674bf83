"""Workers are killed, stopped and joined by others under load, and every count stays exact."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas.registry import PLAYS
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.killing import kill_at_random
from segue.testing.load import Load
from segue.testing.logs import committed_positions
from segue.testing.verify import assert_exact, state_faults, truth_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_ten_kills_under_load_lose_and_double_nothing(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    # Sessions as short as that let the others take over, and work, before the next kill.
    settings = await prepare(session_timeout_s=2, heartbeat_interval_s=0.5)
    async with Crew(settings, tmp_path) as crew:
        await crew.hire(2)
        await crew.all_ready()
        async with Load(settings, seed=1) as load:
            await kill_at_random(crew, kills=10, seed=1)
        truth = await assert_exact(settings, deadline_s=90)
    assert truth.outcomes["applied"] > load.sent / 2
    for outcome in ("duplicate", "skipped", "late"):
        assert truth.outcomes[outcome] > 0, outcome
    assert truth.bad
    assert truth.strays


async def test_when_all_die_at_once_state_is_that_of_the_committed_offsets(
    settings: Settings, crew: Crew
) -> None:
    await crew.hire(2)
    await crew.all_ready()
    async with Load(settings, seed=2, rate_per_s=2000):
        await eventually(lambda: _plays_committed(settings), 30, claim="5,000 plays are committed")
        for worker in crew.workers:
            await worker.kill()
    committed = await committed_positions(settings)
    truth = await truth_of(settings, until=committed)
    assert truth.outcomes["applied"] > 1000
    assert await state_faults(settings, truth, ["listeners"]) == []


async def _plays_committed(settings: Settings) -> bool:
    plays = PLAYS.topic(settings.topic_prefix)
    committed = await committed_positions(settings)
    return sum(offset for (topic, _), offset in committed.items() if topic == plays) > 5_000
