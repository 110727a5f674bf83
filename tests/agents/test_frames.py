"""The agents of frames: frames add up, damaged ones become dead letters."""

import json
from typing import get_args

import numpy as np
import pytest

from agents.versions import OWNER
from models.recommend.tastes import Tastes
from models.recommend.vocabulary import Vocabulary
from schemas.discoveries import decode_discoveries, encode_discoveries
from schemas.frames import (
    ARTIST_MARK,
    PairsFrame,
    TrendCountsFrame,
    encode_pairs,
    encode_trend_counts,
)
from schemas.internal import HEADER_OFFSET, HEADER_REASON
from schemas.outputs import TrendWindow, format_version
from segue.telemetry import metrics
from segue.testing.agent_bed import AgentBed
from segue.testing.discovering import discovered
from segue.testing.manual_clock import START_MS
from segue.testing.trending import MarketPlays, popularity

MINUTE = START_MS // 60_000


def pairs(weight: int = 2520) -> bytes:
    return encode_pairs(
        PairsFrame(
            ["a", "b"],
            play_track=np.array([0], np.int32),
            play_artist=np.array([0], np.int32),
            play_count=np.array([3], np.int32),
            left=np.array([0, 1], np.int32),
            right=np.array([1, 0], np.int32),
            weight=np.array([weight, weight], np.int64),
            forward=np.array([1, 0], np.uint8),
        )
    )


def artist_pairs(name: str) -> bytes:
    """Two plays of an artist's track `a`."""
    zero, two = np.array([0], np.int32), np.array([2], np.int32)
    weight, forward = np.array([5040], np.int64), np.array([0], np.uint8)
    names = [f"{ARTIST_MARK}{name}", "a"]
    return encode_pairs(PairsFrame(names, zero, zero, two, zero, zero + 1, weight, forward))


def counts(market: str, **tracks: int) -> bytes:
    size = len(tracks)
    return encode_trend_counts(
        TrendCountsFrame(
            market,
            [*tracks],
            np.arange(size, dtype=np.int32),
            np.full(size, MINUTE, np.int64),
            np.array([*tracks.values()], np.int32),
        )
    )


def discovery(track: str, *before: str) -> bytes:
    return encode_discoveries(discovered((track, [*before])))


def play(number: int, track: str) -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "user_id": "ann",
            "track_id": track,
            "started_at_ms": START_MS + number * 1000,
            "played_ms": 1000,
            "duration_ms": 1000,
            "end_reason": "finished",
        }
    ).encode()


STAGES = {"pairs": "neighbours", "trend-counts": "trends", "discoveries": "vectors"}
EACH = pytest.mark.parametrize(
    ("agent", "good"),
    [("pairs", pairs()), ("trend-counts", counts("SE", x=1)), ("discoveries", discovery("a", "b"))],
    ids=["pairs", "trend-counts", "discoveries"],
)


async def test_pairs_add_up_and_rows_follow_with_the_version_of_their_offset(bed: AgentBed) -> None:
    assert await bed.put("pairs", [pairs(), pairs(1260)]) == {"applied": 2, "rejected": 0}
    assert bed.sink.similar("a") is None  # coalesced until it is published
    await bed.task("neighbours").publish()
    row = bed.sink.similar("a")
    assert row is not None
    assert (row.plays, row.track_ids, row.scores, row.after) == (6, ["b"], [3780], [3780])
    faded = 2520 * 2 ** (-3 / 8)  # by the three plays of the second frame
    assert row.lately == [int(faded + 1260)]
    back = bed.sink.similar("b")
    assert back is not None
    assert (back.plays, back.scores, back.after, back.lately) == (0, [3780], [0], [3780])
    assert row.version == format_version(START_MS, OWNER + 2)
    assert bed.sink.redis.data.keys() >= {"segue:v1:similar:a", "segue:v1:similar:b"}


async def test_row_of_an_artist_is_published_under_the_artists_own_key(bed: AgentBed) -> None:
    await bed.put("pairs", [pairs(), artist_pairs("a")])
    await bed.task("neighbours").publish()
    row, track = bed.sink.artist("a"), bed.sink.similar("a")
    assert row is not None
    assert track is not None
    assert (row.track_id, row.plays, row.track_ids) == ("a", 2, ["a"])
    assert (row.scores, row.after, row.lately) == ([5040], [0], [5040])
    assert (track.plays, track.track_ids) == (3, ["b"])
    rows = {key for key in bed.sink.redis.data if key.split(":")[2] in ("similar", "artist")}
    assert rows == {"segue:v1:similar:a", "segue:v1:similar:b", "segue:v1:artist:a"}


async def test_rows_stand_in_redis_before_they_are_committed(bed: AgentBed) -> None:
    await bed.put("pairs", [pairs()])
    seen = []

    async def at(point: str) -> None:
        if point == "commit":
            seen.append(bed.sink.similar("a") is not None)

    bed.log.point = at
    await bed.task("neighbours").flush()
    assert seen == [True]
    assert {*bed.log.last_values(bed.topic("neighbours-changelog"), 0)} == {b"a", b"b"}


async def test_lost_redis_gets_all_rows_again(bed: AgentBed) -> None:
    await bed.put("pairs", [pairs()])
    await bed.task("neighbours").publish()
    bed.sink.redis.lose()
    bed.clock.advance(s=2)
    await bed.task("neighbours").publish()
    assert bed.sink.similar("a") is not None
    assert bed.sink.similar("b") is not None


async def test_trends_add_up_per_market_and_window(bed: AgentBed) -> None:
    outcomes = await bed.put("trend-counts", [counts("SE", x=2, y=5), counts("SE", x=4)])
    assert outcomes == {"applied": 2, "rejected": 0}
    await bed.task("trends").publish()
    for window in get_args(TrendWindow):
        trends = bed.sink.trends("SE", window)
        assert trends is not None
        assert (trends.market, trends.window) == ("SE", window)
        assert trends.track_ids == ["x", "y"]
        assert trends.version == format_version(START_MS, OWNER + 2)
    hour = bed.sink.trends("SE", "hour")
    assert hour is not None
    assert hour.scores == pytest.approx([6.0, 5.0])
    assert bed.sink.trends("BR", "day") is None


async def test_a_change_of_a_market_is_counted_and_published(bed: AgentBed) -> None:
    before = metrics.TREND_SHIFTS._value.get()
    market = MarketPlays(1, start_minute=MINUTE)
    old, new = popularity(30), popularity(30, first=30)
    frames = [
        *market.frames(300, {track: 120 * share for track, share in old.items()}),
        *market.frames(60, {track: 120 * share for track, share in new.items()}),
    ]
    await bed.put("trend-counts", [encode_trend_counts(frame) for frame in frames[:300]])
    await bed.task("trends").publish()
    steady = bed.sink.trends("SE", "hour")
    assert steady is not None
    assert (steady.shifted_at_ms, {*steady.directions}) == (None, {"steady"})
    await bed.put("trend-counts", [encode_trend_counts(frame) for frame in frames[300:]])
    await bed.task("trends").publish()
    turned = bed.sink.trends("SE", "hour")
    assert turned is not None
    assert turned.shifted_at_ms is not None
    assert 300 <= turned.shifted_at_ms // 60_000 - MINUTE < 330
    moves = dict(zip(turned.track_ids, turned.directions, strict=True))
    assert (moves["t0"], moves["t30"]) == ("falling", "rising")
    assert metrics.TREND_SHIFTS._value.get() == before + 1


@EACH
async def test_damaged_frames_become_dead_letters_and_the_others_count(
    bed: AgentBed, agent: str, good: bytes
) -> None:
    older = good[:3] + b"\x00" + good[4:]
    damaged: list[bytes | None] = [b"", None, older, b"\x00" + good[1:], good[:9]]
    before = metrics.EVENTS.labels(agent, "rejected")._value.get()
    assert await bed.put(agent, [good, *damaged, good]) == {"applied": 2, "rejected": 5}
    assert metrics.EVENTS.labels(agent, "rejected")._value.get() == before + 5
    assert bed.app.failure is None
    await bed.task(STAGES[agent]).flush()
    letters = bed.log.records(bed.topic("dead-letters"))
    assert [letter.value for letter in letters] == [value or b"" for value in damaged]
    assert {dict(letter.headers)[HEADER_REASON] for letter in letters} == {b"bad_frame"}
    offsets = [dict(letter.headers)[HEADER_OFFSET] for letter in letters]
    assert offsets == [b"1", b"2", b"3", b"4", b"5"]


@EACH
async def test_frame_delivered_twice_counts_once(bed: AgentBed, agent: str, good: bytes) -> None:
    records = bed.records(agent, [good])
    assert (await bed.put_records(agent, records))["applied"] == 1
    assert (await bed.put_records(agent, records))["applied"] == 0
    state = bed.task(STAGES[agent]).state
    if agent == "pairs":
        assert state.row("a").plays == 3
    elif agent == "trend-counts":
        assert state.plays("SE", "x") == 1
    else:
        assert state.vector("a").discoveries == 1


async def test_vectors_are_published_with_the_commit(bed: AgentBed) -> None:
    await bed.put("discoveries", [discovery("a", "b"), discovery("c", "b", "a")])
    assert bed.log.records(bed.topic("vectors")) == []
    await bed.task("vectors").flush()
    records = bed.log.records(bed.topic("vectors"))
    tastes = Tastes(Vocabulary())
    assert tastes.apply([r.key or b"" for r in records], [r.value for r in records]) == []
    assert len(tastes) == 3


async def test_plays_of_new_tracks_become_discoveries(bed: AgentBed) -> None:
    plays = [play(i, track) for i, track in enumerate(["a", "b", "a", "c"])]
    await bed.put("plays", plays)
    await bed.task("listeners").flush()
    (record,) = bed.log.records(bed.topic("discoveries"))
    frame = decode_discoveries(record.value or b"")
    names = frame.names
    assert [names[i] for i in frame.track.tolist()] == ["b", "c"]
    assert frame.size.tolist() == [1, 2]
    assert [names[i] for i in frame.before.tolist()] == ["a", "a", "b"]
