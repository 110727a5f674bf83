"""How trends move on seeded listening: bursts, new tracks, mornings, and changes of taste."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from models.recommend import TrendState, Vocabulary
from models.recommend.reference_rows import ReferenceTrend
from schemas.frames import TrendCountsFrame
from schemas.outputs import TrendWindow
from segue.testing.trending import MarketPlays, popularity

START = 28_000_320
SEEDS = range(5)
RATE = 200.0
HOUR, DAY = 60, 24 * 60


def plays_of(shares: dict[str, float], rate: float = RATE, **more: float) -> dict[str, float]:
    return {track: share * rate for track, share in shares.items()} | more


def learned(*parts: Iterable[TrendCountsFrame], state: TrendState | None = None) -> TrendState:
    trends = state or TrendState(Vocabulary())
    for part in parts:
        for frame in part:
            trends.learn(frame)
    return trends


def moves(trends: TrendState, window: TrendWindow = "hour", k: int = 300) -> dict[str, str]:
    found = trends.moving("SE", window, k)
    return dict(zip(found.track_ids, found.directions, strict=True))


def acceleration(trends: TrendState, track: str, window: TrendWindow = "hour") -> float:
    found = trends.moving("SE", window, 300)
    return float(found.accelerations[found.track_ids.index(track)])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_burst_makes_a_known_track_rise_and_then_fall(seed: int) -> None:
    market, usual = MarketPlays(seed, start_minute=START), popularity(200)
    trends = learned(market.frames(DAY, plays_of(usual)))
    assert moves(trends)["t150"] == "steady"
    learned(market.frames(10, plays_of(usual, t150=20.0)), state=trends)
    assert moves(trends)["t150"] == "rising"
    assert acceleration(trends, "t150") > 1.5
    learned(market.frames(10, plays_of(usual, t150=80.0)), state=trends)
    learned(market.frames(3 * HOUR, plays_of(usual)), state=trends)
    assert moves(trends)["t150"] == "falling"
    learned(market.frames(DAY, plays_of(usual)), state=trends)
    assert moves(trends)["t150"] == "steady"


@pytest.mark.parametrize("window", ["hour", "day"])
@pytest.mark.parametrize("seed", SEEDS)
def test_steady_tracks_are_steady(seed: int, window: TrendWindow) -> None:
    market = MarketPlays(seed, start_minute=START)
    trends = learned(market.frames(2 * DAY, plays_of(popularity(200))))
    found = Counter(moves(trends, window).values())
    assert found["steady"] >= 0.98 * found.total()


def test_a_morning_in_which_all_is_played_ten_times_as_much_moves_nothing() -> None:
    market, usual = MarketPlays(7, start_minute=START), popularity(100)
    trends = learned(
        market.frames(DAY, plays_of(usual, rate=50)), market.frames(HOUR, plays_of(usual, rate=500))
    )
    assert Counter(moves(trends).values())["steady"] >= 98


def test_a_few_plays_are_no_rise() -> None:
    market, usual = MarketPlays(3, start_minute=START), plays_of(popularity(50))
    trends = learned(market.frames(DAY, usual))
    trends.learn(counts("once", market.minute, 1))
    trends.learn(counts("thrice", market.minute, 3))
    assert (moves(trends)["once"], moves(trends)["thrice"]) == ("steady", "steady")
    trends.learn(counts("often", market.minute, 9))
    assert moves(trends)["often"] == "new"


def test_a_new_track_is_new_until_its_plays_are_old() -> None:
    market, usual = MarketPlays(4, start_minute=START), popularity(50)
    trends = learned(market.frames(2 * DAY, plays_of(usual)))
    seen = []
    for _ in range(4):
        learned(market.frames(4 * HOUR, plays_of(usual, fresh=3.0)), state=trends)
        seen.append(moves(trends)["fresh"])
    assert (*seen[:2], seen[3]) == ("new", "rising", "steady")


def test_in_a_new_market_nothing_is_new() -> None:
    market, usual = MarketPlays(5, start_minute=START), popularity(50)
    trends = learned(
        market.frames(HOUR, plays_of(usual)), market.frames(5, plays_of(usual, burst=20.0))
    )
    assert moves(trends)["burst"] == "rising"
    assert "new" not in moves(trends).values()


# ---------------------------------------------------------------- changes of a market's listening


@pytest.mark.parametrize("seed", SEEDS)
def test_a_market_that_turns_to_other_tracks_is_seen_once_and_a_steady_one_never(seed: int) -> None:
    market = MarketPlays(seed, start_minute=START)
    trends = learned(market.frames(2 * DAY, plays_of(popularity(200))))
    assert (trends.drain_shifts(), trends.shifted_at_ms("SE")) == (0, None)
    turned = market.minute
    learned(market.frames(DAY, plays_of(turned_to_others())), state=trends)
    assert trends.drain_shifts() == 1
    shifted_at_ms = trends.shifted_at_ms("SE")
    assert shifted_at_ms is not None
    assert turned <= shifted_at_ms // 60_000 <= turned + 45


def turned_to_others() -> dict[str, float]:
    """A third of all plays go to tracks hardly played before."""
    old, new = popularity(200), popularity(100, first=150)
    return {t: 0.67 * old.get(t, 0.0) + 0.33 * new.get(t, 0.0) for t in {**old, **new}}


def test_shares_of_leaders_are_those_of_the_plain_rules() -> None:
    market, reference, trends = (
        MarketPlays(9, start_minute=START),
        ReferenceTrend(),
        TrendState(Vocabulary()),
    )
    for frame in market.frames(5 * HOUR, plays_of(popularity(60), rate=70)):
        trends.learn(frame)
        columns = frame.track.tolist(), frame.bucket.tolist(), frame.count.tolist()
        reference.learn((frame.names[t], m, c) for t, m, c in zip(*columns, strict=True))
    raw = dict(trends.changes())[b"SE"]
    assert raw is not None
    shares = np.frombuffer(raw[-2 * len(reference.shares) :], "<u2") / 65_535
    assert len(raw) == 73 + 2 * len(reference.shares)
    assert len(reference.shares) > 100
    np.testing.assert_allclose(shares, reference.shares, atol=1 / 65_535)


@pytest.mark.parametrize("cut", [1, 100, DAY + 10])
def test_a_restored_market_sees_the_same_change_in_the_same_minute(cut: int) -> None:
    market = MarketPlays(11, start_minute=START)
    frames = [
        *market.frames(DAY, plays_of(popularity(100))),
        *market.frames(2 * HOUR, plays_of(turned_to_others())),
    ]
    original = learned(frames[:cut])
    changelog = dict(original.changes())
    restored = TrendState(Vocabulary())
    for key, value in changelog.items():
        restored.restore(key, value)
    learned(frames[cut:], state=original)
    learned(frames[cut:], state=restored)
    assert original.shifted_at_ms("SE") is not None
    assert restored.shifted_at_ms("SE") == original.shifted_at_ms("SE")
    assert dict(restored.changes()) == dict(original.changes())


def test_the_detector_of_a_long_steady_stream_stays_small() -> None:
    market = MarketPlays(12, start_minute=START)
    trends = learned(market.frames(2 * DAY, plays_of(popularity(20))))
    raw = dict(trends.changes())[b"SE"]
    assert raw is not None
    assert len(raw) <= 73 + 2 * 1024


def counts(track: str, minute: int, count: int) -> TrendCountsFrame:
    one = np.array([0], np.int32)
    return TrendCountsFrame(
        "SE", [track], one, np.array([minute], np.int64), np.array([count], np.int32)
    )
