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
    fast = await prepare()
    user, plays, feedback = "eve", PLAYS.topic(fast.topic_prefix), FEEDBACK.topic(fast.topic_prefix)
    home, start_ms = home_of(user, fast.partitions), 1_790_000_000_000
    stream = PlayStream(fast, seed=13)

    def event(**fields: object) -> Message:
        value = json.dumps({"event_id": "e", "user_id": user, **fields}).encode()
        return Message(plays if "played_ms" in fields else feedback, home, user.encode(), value)

    played = {"played_ms": 180_000, "duration_ms": 0, "end_reason": "finished"}
    first = event(track_id="track-0-0", started_at_ms=start_ms, **played)
    others = [m for m in stream.singles(3000) if m.partition == home]
    async with Crew(fast, tmp_path / "before") as crew:  # something to recommend
        (worker,) = await crew.hire()
        await send_all(fast, stream.singles(1000))
        await crew.all_ready()
        await assert_exact(fast)
        await worker.stop()

    await send_all(fast, [first, *others])
    async with Crew(fast.model_copy(update={"flush_interval_s": 60}), tmp_path / "slow") as crew:
        (worker,) = await crew.hire()
        await crew.all_ready()
        await eventually(lambda: _handled(worker, 1 + len(others)), 30)
        await worker.kill()  # all of that is in Redis, and nothing of it committed
    held = await _list(fast, user)
    suggested = held["track_ids"][0]
    await send_all(fast, [event(kind="block_track", track_id=suggested, at_ms=start_ms)])

    single = fast.model_copy(update={"batch_records": 1})
    async with Crew(single, tmp_path / "single") as crew:
        await crew.hire()
        await crew.all_ready()
        await assert_exact(single)
    assert suggested not in (await _list(fast, user))["track_ids"]


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
