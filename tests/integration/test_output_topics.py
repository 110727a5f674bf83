"""The topics `trends` and `recommendations`, read back from Kafka and compared with Redis."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from schemas.registry import RECOMMENDATIONS, TRENDS
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.load import PlayStream, send_all
from segue.testing.logs import read_log
from segue.testing.truth import home_of
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PLAYS = 3000


async def test_both_topics_say_what_redis_says_each_change_once_over_a_kill(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    settings = await prepare(recommendations_topic=True)
    async with Crew(settings, tmp_path) as crew:
        (worker,) = await crew.hire()
        await crew.all_ready()
        await send_all(settings, PlayStream(settings, seed=21).singles(PLAYS))
        kill_at = random.Random(21).randrange(PLAYS // 4, PLAYS // 2)

        async def midway() -> bool:
            return await worker.metric(r'segue_events_total\{agent="plays".*') >= kill_at

        await eventually(midway, 30, interval_s=0.01)
        await worker.kill()
        await worker.start()
        await crew.all_ready()
        truth = await assert_exact(settings)
    found = await redis_values(settings)

    lists = await by_key(settings, RECOMMENDATIONS.topic(settings.topic_prefix))
    assert {*lists} == {*truth.listeners}
    for user, values in lists.items():
        newest = {kind: found[f"segue:v1:{kind}:{user}"] for kind in ("next", "discover")}
        assert tracks(values[-1]) == tracks(newest)
        assert all(tracks(first) != tracks(second) for first, second in pairwise(values))
        versions = [value["next"]["version"] for value in values]
        assert all(first < second for first, second in pairwise(versions))
    assert sum(map(len, lists.values())) < sum(truth.outcomes.values())

    trends = await by_key(settings, TRENDS.topic(settings.topic_prefix))
    assert {*trends} == {*truth.minutes}
    for market, values in trends.items():
        for window in ("hour", "day", "week"):
            of_window = [value for value in values if value["window"] == window]
            assert of_window[-1] == found[f"segue:v1:trend:{market}:{window}"]
            changes = Counter(value["version"] for value in of_window)
            assert {*changes.values()} == {1}


def tracks(lists: dict[str, Any]) -> list[list[str]]:
    return [lists[kind]["track_ids"] for kind in ("next", "discover")]


async def by_key(settings: Settings, topic: str) -> dict[str, list[Any]]:
    """Every value of each key, in order; all of a key are in its own partition."""
    values = defaultdict[str, list[Any]](list)
    for record in await read_log(settings, topic):
        assert record.partition == home_of(record.key.decode(), settings.partitions)
        values[record.key.decode()].append(json.loads(record.value))
    return dict(values)


async def redis_values(settings: Settings) -> dict[str, Any]:
    async with Redis.from_url(
        settings.redis_url.get_secret_value(), decode_responses=True
    ) as client:
        keys = [key async for key in client.scan_iter("segue:v1:*", count=1000)]
        kinds = {"next", "discover", "trend"}
        wanted = [key for key in keys if key.split(":")[2] in kinds]
        values = await client.mget(wanted)
        return {key: json.loads(raw or "") for key, raw in zip(wanted, values, strict=True)}
