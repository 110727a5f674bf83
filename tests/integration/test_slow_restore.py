"""Restoring may take longer than the session lasts: nobody is expelled for it."""

import sys
import time
from pathlib import Path

import pytest

from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew, Worker
from segue.testing.load import Load
from segue.testing.logs import settled
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SLOW = (sys.executable, "-m", "segue.testing.slow_worker")
RESTORE_S = 9


async def test_restores_longer_than_the_session_survive_a_rebalance(
    settings: Settings, crew: Crew, tmp_path: Path
) -> None:
    assert settings.session_timeout_s < RESTORE_S
    (first,) = await crew.hire()
    async with Load(settings, seed=4, rate_per_s=800):
        await eventually(lambda: _knows(first, 200), 60, claim="there is state to restore")
    await eventually(lambda: settled(settings), 30, claim="it is committed")
    assert await first.stop() == 0

    async with Crew(settings, tmp_path / "slow", command=SLOW) as slow:
        started_s = time.monotonic()
        (one,) = await slow.hire(RESTORE_S=str(RESTORE_S))
        async with Load(settings, seed=5, rate_per_s=300):
            await eventually(lambda: "partitions_assigned" in one.log, 30, interval_s=0.1)
            (two,) = await slow.hire(RESTORE_S=str(RESTORE_S))  # while the first restores
            await eventually(lambda: _shares(slow), 60, claim="both are restored and share")
        took_s = time.monotonic() - started_s
        await assert_exact(settings)
        assert took_s > RESTORE_S
        assert one.running
        assert two.running
        # Nobody was thrown out and had to begin again: each joins once, and sees one more join.
        assert one.log.count("partitions_assigned") <= 3


async def _knows(worker: Worker, listeners: int) -> bool:
    return await worker.ready() and (
        await worker.metric('segue_state_entries{state="listeners"}') >= listeners
    )


async def _shares(crew: Crew) -> bool:
    if not all([await worker.ready() for worker in crew.workers]):
        return False
    return all([await w.metric("segue_partitions_assigned.*") > 0 for w in crew.workers])
