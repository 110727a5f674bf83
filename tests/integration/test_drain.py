"""SIGTERM: flush, hand over, leave. Nobody waits for a session to time out."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas.registry import PLAYS
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew, Worker
from segue.testing.load import Load, PlayStream, send_all
from segue.testing.logs import committed_positions
from segue.testing.verify import assert_exact, state_faults, truth_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SESSION_S = 30.0
HANDOVER_S = 10.0


async def test_sigterm_commits_what_was_applied_and_the_other_takes_over_at_once(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    settings = await prepare(session_timeout_s=SESSION_S, drain_timeout_s=HANDOVER_S)
    async with Crew(settings, tmp_path) as crew:
        leaving, staying = await crew.hire(2)
        await crew.all_ready()
        async with Load(settings, seed=8, rate_per_s=800):
            await eventually(lambda: _assigned(leaving, 2), 30, claim="both have partitions")
            started_s = time.monotonic()
            assert await leaving.stop(HANDOVER_S) == 0
            stopped_s = time.monotonic()
            await eventually(lambda: _assigned(staying, 13), HANDOVER_S, claim="taken over")
            taken_s = time.monotonic()
        assert stopped_s - started_s < HANDOVER_S
        assert taken_s - stopped_s < SESSION_S / 3
        await assert_exact(settings)


async def test_what_no_flush_was_due_for_is_committed_by_sigterm(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    settings = await prepare(flush_interval_s=60, sink_flush_interval_s=60)
    async with Crew(settings, tmp_path) as crew:
        (worker,) = await crew.hire()
        await crew.all_ready()
        await send_all(settings, PlayStream(settings, seed=9).singles(3000))
        await eventually(lambda: _handled(worker, 3000), 30, claim="all plays are applied")
        assert await _committed_plays(settings) == 0
        assert await worker.stop(HANDOVER_S) == 0
        assert await _committed_plays(settings) == 3000
        truth = await truth_of(settings, until=await committed_positions(settings))
        assert await state_faults(settings, truth, ["listeners"]) == []


async def _assigned(worker: Worker, count: int) -> bool:
    return await worker.ready() and await worker.metric("segue_partitions_assigned.*") >= count


async def _handled(worker: Worker, plays: int) -> bool:
    return await worker.metric(r'segue_events_total\{agent="plays".*') == plays


async def _committed_plays(settings: Settings) -> int:
    topic = PLAYS.topic(settings.topic_prefix)
    committed = await committed_positions(settings)
    return sum(offset for (name, _), offset in committed.items() if name == topic)
