"""A worker frozen for longer than its session finds itself fenced when it wakes."""

import pytest

from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew, Worker
from segue.testing.load import Load
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ALL = 13  # three stages of four partitions, and the embedding


async def test_a_frozen_worker_wakes_up_fenced_and_counts_stay_exact(
    settings: Settings, crew: Crew
) -> None:
    frozen, other = await crew.hire(2)
    await crew.all_ready()
    async with Load(settings, seed=3, rate_per_s=600):
        await eventually(lambda: _has(frozen, 2), 20, claim="both have partitions")
        frozen.freeze()
        await eventually(lambda: _has(other, ALL), 30, claim="the other has taken over")
        applied = await _applied(other)
        await eventually(lambda: _more(other, applied + 500), 20, claim="the other goes on")
        frozen.thaw()
        # It may end (a supervisor starts it again) or find its way back into the group.
        async with crew.supervised():
            await eventually(lambda: _shared(crew), 40, claim="both share the partitions again")
    await assert_exact(settings)


async def _has(worker: Worker, count: int) -> bool:
    return await worker.ready() and await worker.metric("segue_partitions_assigned.*") >= count


async def _applied(worker: Worker) -> float:
    return await worker.metric('segue_events_total{agent="plays",outcome="applied"}')


async def _more(worker: Worker, count: float) -> bool:
    return await _applied(worker) >= count


async def _shared(crew: Crew) -> bool:
    for worker in crew.workers:
        if not worker.running or not (await worker.probe()).ready:
            return False
    counts = [await worker.metric("segue_partitions_assigned.*") for worker in crew.workers]
    return await crew.has_everything() and min(counts) > 0
