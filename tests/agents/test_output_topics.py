"""What leaves for the topics `trends` and `recommendations`: what Redis got, once a commit."""

from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.codec import encode_event
from schemas.events import PlayEvent
from schemas.frames import TrendCountsFrame, encode_trend_counts
from schemas.rediskeys import discover_key, next_key, trend_key
from segue.testing.agent_bed import AgentBed
from segue.testing.manual_clock import START_MS

MINUTE = START_MS // 60_000


def counts(market: str, track: str, count: int) -> bytes:
    one = np.array([0], np.int32)
    minute, plays = np.array([MINUTE], np.int64), np.array([count], np.int32)
    return encode_trend_counts(TrendCountsFrame(market, [track], one, minute, plays))


def play(number: int, user: str, track: str, **fields: Any) -> bytes:
    at_ms = START_MS - 3_600_000 + number
    event = PlayEvent(f"e{number}", user, track, at_ms, 200_000, 200_000, "finished")
    return encode_event(msgspec.structs.replace(event, **fields))


def sent(bed: AgentBed, topic: str) -> list[tuple[str, bytes]]:
    records = bed.log.records(bed.topic(topic))
    return [((record.key or b"").decode(), record.value or b"") for record in records]


def trends_in_redis(bed: AgentBed, market: str) -> list[tuple[str, bytes]]:
    data: dict[str, Any] = bed.sink.redis.data
    return [(market, data[trend_key(market, window)]) for window in ("hour", "day", "week")]


def lists_in_redis(bed: AgentBed, user: str) -> tuple[str, bytes]:
    data: dict[str, Any] = bed.sink.redis.data
    both = b'{"next":%b,"discover":%b}' % (data[next_key(user)], data[discover_key(user)])
    return user, both


async def test_a_commit_sends_the_trends_that_changed_as_they_stand_in_redis(bed: AgentBed) -> None:
    await bed.put("trend-counts", [counts("SE", "x", 2), counts("DE", "x", 1)])
    await bed.task("trends").publish()
    await bed.put("trend-counts", [counts("SE", "y", 9)])
    await bed.task("trends").publish()  # the second time within one commit
    assert sent(bed, "trends") == []
    await bed.task("trends").flush()
    assert sent(bed, "trends") == trends_in_redis(bed, "SE") + trends_in_redis(bed, "DE")

    await bed.put("trend-counts", [counts("DE", "z", 1)])
    await bed.task("trends").flush()
    assert sent(bed, "trends")[6:] == trends_in_redis(bed, "DE")


async def test_many_markets_reach_redis_and_the_topic(bed: AgentBed) -> None:
    markets = [f"M{number}" for number in range(25)]
    await bed.put("trend-counts", [counts(market, "x", 2) for market in markets])
    await bed.task("trends").flush()
    expected = [trend for market in markets for trend in trends_in_redis(bed, market)]
    assert sent(bed, "trends") == expected


async def test_a_commit_without_changed_trends_sends_none(bed: AgentBed) -> None:
    await bed.put("trend-counts", [counts("SE", "x", 2)])
    await bed.task("trends").flush()
    await bed.put("trend-counts", [b"damaged"])
    await bed.task("trends").flush()
    assert len(sent(bed, "trends")) == 3


@pytest.fixture
async def sending() -> Any:  # an async generator to pytest, a bed to tests
    async with AgentBed(recommendations_topic=True) as made:
        yield made


async def test_a_commit_sends_each_changed_listener_once_with_the_newest_lists(
    sending: AgentBed,
) -> None:
    bed = sending
    await bed.put("plays", [play(1, "ann", "a"), play(2, "ann", "b"), play(3, "bob", "c")])
    await bed.put("plays", [play(4, "ann", "c")])
    assert sent(bed, "recommendations") == []
    await bed.task("listeners").flush()
    assert sent(bed, "recommendations") == [lists_in_redis(bed, "ann"), lists_in_redis(bed, "bob")]

    await bed.put("plays", [play(5, "bob", "d")])
    await bed.task("listeners").flush()
    assert sent(bed, "recommendations")[2:] == [lists_in_redis(bed, "bob")]


async def test_lists_with_the_same_tracks_are_not_sent_again(sending: AgentBed) -> None:
    bed = sending
    await bed.put("plays", [play(1, "ann", "a")])
    await bed.task("listeners").flush()
    before = lists_in_redis(bed, "ann")
    await bed.put("plays", [play(2, "ann", "a", end_reason="skipped", played_ms=1)])
    await bed.task("listeners").flush()
    assert lists_in_redis(bed, "ann") != before  # they were made again, with nothing new in them
    assert sent(bed, "recommendations") == [before]


async def test_lists_are_not_sent_unless_asked_for(bed: AgentBed) -> None:
    await bed.put("plays", [play(1, "ann", "a")])
    await bed.task("listeners").flush()
    assert sent(bed, "recommendations") == []
