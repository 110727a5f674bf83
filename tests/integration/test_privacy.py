"""An erased listener on real Kafka and Redis: nothing is left, and nothing comes back."""

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from schemas.events import Feedback, PlayEvent
from schemas.registry import (
    FEEDBACK,
    LISTENERS_CHANGELOG,
    NEIGHBOURS_CHANGELOG,
    PLAYS,
    PRIVACY,
)
from segue.client import PlayProducer
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.load import Message, send_all
from segue.testing.logs import read_latest, read_log, settled
from segue.testing.verify import OF_PARTITION

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ANN, OWN = "ann-who-goes", "track-of-ann-alone"
OTHERS = [f"listener-{i}" for i in range(5)]


def plays(user: str, *, now_ms: int) -> list[PlayEvent]:
    tracks = ["a", OWN, "b", "c"] if user == ANN else ["a", "b", "c"]
    return [
        PlayEvent(
            event_id=f"{user}-{i}",
            user_id=user,
            track_id=track,
            started_at_ms=now_ms - 60_000 + i,
            played_ms=180_000,
            duration_ms=180_000,
            end_reason="finished",
            artist=f"artist of {track}",
        )
        for i, track in enumerate(tracks)
    ]


async def say(settings: Settings, *users: str, now_ms: int) -> None:
    """Let listeners play, and block a track."""
    async with PlayProducer(
        settings.kafka_bootstrap, topic_prefix=settings.topic_prefix
    ) as producer:
        for user in users:
            await producer.send_many(plays(user, now_ms=now_ms))
            block = Feedback(
                event_id="f", user_id=user, kind="block_track", track_id="x", at_ms=now_ms
            )
            await producer.send_feedback(block)
    await eventually(lambda: settled(settings), 60, interval_s=0.2, claim="all is committed")


async def found_of_ann(settings: Settings) -> list[str]:
    """Keys, in Redis and in compacted changelogs, that hold ann's name, or in rows her own track's.

    Trends count plays without their listeners, and fade: they may know the track for a while, and
    others' lists that are filled up with them.
    """
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        keys = [key async for key in redis.scan_iter(match="segue:v1:*", count=1000)]
        data = [*zip(keys, await redis.mget(keys), strict=True)] if keys else []
    rows = [(k, v) for k, v in data if k.startswith((b"segue:v1:similar:", b"segue:v1:artist:"))]
    for spec in (LISTENERS_CHANGELOG, NEIGHBOURS_CHANGELOG):
        topic = spec.topic(settings.topic_prefix)
        kept = (await read_latest(settings, topic, without=OF_PARTITION)).items()
        data += kept
        rows += kept
    named = [key for key, value in data if ANN.encode() in key + (value or b"")]
    return [repr(key) for key in named + [k for k, v in rows if OWN.encode() in k + (v or b"")]]


async def erase(settings: Settings, crew: Crew) -> None:
    """Ask by the command line, and wait until nothing is found."""
    code, output = await crew.segue("privacy", "erase", ANN, "--yes")
    assert code == 0, output
    await eventually(
        lambda: settled(settings), 60, interval_s=0.2, claim="the erasure is committed"
    )
    assert await found_of_ann(settings) == []


async def test_an_erased_listener_is_nowhere_whoever_owns_the_partition_next(
    settings: Settings, crew: Crew, tmp_path: Path
) -> None:
    await crew.hire()
    await crew.all_ready()
    now_ms = time.time_ns() // 1_000_000
    await say(settings, ANN, *OTHERS, now_ms=now_ms)
    assert len(await found_of_ann(settings)) > 4
    code, output = await crew.segue("privacy", "export", ANN, "--out", str(tmp_path / "kept.json"))
    assert code == 0, output
    kept = json.loads((tmp_path / "kept.json").read_bytes())
    assert (kept["user_id"], kept["known"], kept["plays"]) == (ANN, True, 4)
    assert (kept["recent"], kept["said_of"]) == (["c", "b", OWN, "a"], ["x"])

    await erase(settings, crew)
    await crew.workers[0].kill()
    (heir,) = await crew.hire()
    await eventually(heir.ready, 60, interval_s=0.1, claim="the next owner is ready")
    await say(settings, ANN, now_ms=now_ms)  # a phone that sends all of it again
    assert await found_of_ann(settings) == []
    assert await heir.metric(r'segue_events_total\{agent="plays",outcome="erased"\}') == 4
    assert await heir.metric(r'segue_events_total\{agent="feedback",outcome="erased"\}') == 1
    code, output = await crew.segue("privacy", "export", ANN)
    assert (code, "nothing is kept" in output, '"known": false' in output) == (0, True, True)
    await say(settings, ANN, now_ms=now_ms + 600_000)  # and comes back
    assert await found_of_ann(settings) != []


async def test_a_replay_of_the_topics_into_an_empty_state_brings_nothing_back(
    settings: Settings, crew: Crew, prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    await crew.hire()
    await crew.all_ready()
    await say(settings, ANN, *OTHERS, now_ms=time.time_ns() // 1_000_000)
    await erase(settings, crew)
    rows = await read_latest(settings, NEIGHBOURS_CHANGELOG.topic(settings.topic_prefix))
    await crew.workers[0].stop()
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        await redis.flushall()
    empty = await prepare()
    for spec in (PLAYS, FEEDBACK, PRIVACY):
        topic = spec.topic(empty.topic_prefix)
        log = await read_log(settings, spec.topic(settings.topic_prefix))
        await send_all(empty, [Message(topic, r.partition, r.key, r.value) for r in log])
    async with Crew(empty, tmp_path / "again") as others:
        await others.hire()
        await others.all_ready()
        await eventually(lambda: settled(empty), 60, interval_s=0.2, claim="all is read again")
        assert await found_of_ann(empty) == []
        again = await read_latest(empty, NEIGHBOURS_CHANGELOG.topic(empty.topic_prefix))
        assert again.keys() == rows.keys()


async def test_an_export_that_nobody_answers_says_so(settings: Settings, crew: Crew) -> None:
    code, output = await crew.segue("privacy", "export", ANN, "--timeout", "1")
    assert code != 0
    assert "no worker answered within 1 s" in output
