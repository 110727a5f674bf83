"""Redis goes away, or comes back empty: nothing is committed past it, everything is written."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from schemas.registry import FEEDBACK, PLAYS
from segue.config import Settings
from segue.local import RedisNode
from segue.testing import eventually
from segue.testing.crew import Crew, Worker
from segue.testing.load import Load, Message, PlayStream, send_all
from segue.testing.logs import committed_positions, settled
from segue.testing.truth import Truth, home_of
from segue.testing.verify import assert_exact, redis_faults

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

AWAY_S = 6.0


async def test_redis_away_holds_commits_back_and_redis_empty_is_filled_again(
    settings: Settings, crew: Crew, redis: RedisNode
) -> None:
    (worker,) = await crew.hire()
    await crew.all_ready()
    async with Load(settings, seed=6, rate_per_s=600) as load:
        await eventually(lambda: load.sent > 2000, 30)
        await redis.kill()
        await eventually(lambda: _says(worker, "redis"), 20, claim="readiness names Redis")
        await asyncio.sleep(1.0)  # what Redis had already may be committed
        held = await _committed_plays(settings)
        sent = load.sent
        await asyncio.sleep(AWAY_S)
        assert load.sent > sent + 1000
        assert await _committed_plays(settings) == held
        await _start(redis)
        await crew.all_ready()
        await eventually(lambda: _committed_more(settings, held), 20)
        await redis.kill()
        shutil.rmtree(redis.directory / "appendonlydir")
        await _start(redis)  # empty, under load
        await eventually(lambda: _committed_more(settings, held + 1000), 20)
    truth = await assert_exact(settings)
    assert truth.outcomes["applied"] > 1000

    await redis.kill()
    shutil.rmtree(redis.directory / "appendonlydir")
    await _start(redis)  # empty, and nobody plays anything
    faults = await redis_faults(settings, truth)
    assert "keys missing" in faults[0]
    await eventually(lambda: _complete(settings, truth), 20, interval_s=0.25)


async def test_a_block_said_while_the_worker_was_dead_reaches_the_lists(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    """The new owner applies the two inputs in another order and other batches than the dead one.

    So its versions run behind those that the dead one left in Redis.
    """
    slow = await prepare(flush_interval_s=60)
    user, plays, feedback = "eve", PLAYS.topic(slow.topic_prefix), FEEDBACK.topic(slow.topic_prefix)
    home = home_of(user, slow.partitions)
    others = [m for m in PlayStream(slow, seed=13).singles(4000) if m.partition == home]

    def event(**fields: object) -> bytes:
        return json.dumps({"event_id": "e", "user_id": user, "track_id": "b", **fields}).encode()

    ended = {"played_ms": 180_000, "duration_ms": 0, "end_reason": "finished"}
    first = Message(
        plays, home, user.encode(), event(track_id="a", started_at_ms=1_790_000_000_000, **ended)
    )
    await send_all(slow, [first, *others])
    async with Crew(slow, tmp_path / "slow") as crew:
        (worker,) = await crew.hire()
        await crew.all_ready()
        await eventually(lambda: _handled(worker, 1 + len(others)), 30)
        await worker.kill()
    held = await _list(slow, user)
    assert held["version"] > f"{held['version'][:13]}-{100:016d}"  # of a batch, not of its event
    said = event(kind="block_track", at_ms=1_790_000_000_000, track_id=held["track_ids"][0])
    await send_all(slow, [Message(feedback, home, user.encode(), said)])

    fast = slow.model_copy(update={"flush_interval_s": 0.25, "batch_records": 1})
    async with Crew(fast, tmp_path / "fast") as crew:
        await crew.hire()
        await crew.all_ready()
        await assert_exact(fast)


async def _handled(worker: Worker, count: int) -> bool:
    return await worker.metric(r'segue_events_total\{agent="plays".*') == count


async def _list(settings: Settings, user: str) -> dict[str, Any]:
    async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
        found: dict[str, Any] = json.loads(await client.get(f"segue:v1:next:{user}") or "{}")
        return found


async def _start(redis: RedisNode) -> None:
    await redis.start()
    await redis.wait_ready()


async def _says(worker: Worker, reason: str) -> bool:
    return reason in (await worker.probe()).detail


async def _committed_plays(settings: Settings) -> int:
    topic = PLAYS.topic(settings.topic_prefix)
    committed = await committed_positions(settings)
    return sum(offset for (name, _), offset in committed.items() if name == topic)


async def _committed_more(settings: Settings, than: int) -> bool:
    return await _committed_plays(settings) > than


async def _complete(settings: Settings, truth: Truth) -> bool:
    return await settled(settings) and await redis_faults(settings, truth) == []
