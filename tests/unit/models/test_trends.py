from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from models.recommend import TrendState, Vocabulary
from schemas.frames import TrendCountsFrame
from schemas.outputs import TrendWindow

NOON = 28_000_320  # minutes, a multiple of neither half-life


def counts(market: str, *entries: tuple[str, int, int]) -> TrendCountsFrame:
    names = [*dict.fromkeys(name for name, _, _ in entries)]
    return TrendCountsFrame(
        market,
        names,
        np.array([names.index(name) for name, _, _ in entries], np.int32),
        np.array([minute for _, minute, _ in entries], np.int64),
        np.array([count for _, _, count in entries], np.int32),
    )


def top(trends: TrendState, market: str, k: int = 10) -> dict[str, float]:
    names, scores = trends.trending(market, "hour", k)
    return dict(zip(names, scores.tolist(), strict=True))


def test_a_play_halves_in_twenty_minutes_eight_hours_or_fifty_six() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", ("old", NOON, 8), ("new", NOON + 40, 1)))
    assert top(trends, "SE") == pytest.approx({"old": 2.0, "new": 1.0})
    trends.learn(counts("SE", ("newest", NOON + 480, 1)))
    names, scores = trends.trending("SE", "day", 10)
    assert dict(zip(names, scores.tolist(), strict=True)) == pytest.approx(
        {"old": 4.0, "newest": 1.0, "new": 2 ** (-440 / 480)}
    )
    assert trends.plays("SE", "old") == 8
    trends.learn(counts("SE", ("newest", NOON + 3360, 1)))
    names, scores = trends.trending("SE", "week", 1)
    assert (names, scores.tolist()) == (["old"], [pytest.approx(4.0)])


def test_order_of_arrival_does_not_matter_to_rank() -> None:
    entries = [("a", NOON + 5, 3), ("b", NOON - 5, 4), ("c", NOON + 1000, 1)]
    forward, backward = TrendState(Vocabulary()), TrendState(Vocabulary())
    for entry in entries:
        forward.learn(counts("SE", entry))
    for entry in reversed(entries):
        backward.learn(counts("SE", entry))
    assert top(forward, "SE") == pytest.approx(top(backward, "SE"))


def test_years_between_plays_neither_overflow_nor_vanish_from_counts() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", ("then", NOON, 5)))
    trends.learn(counts("SE", ("now", NOON + 50 * 525_600, 1)))
    trends.learn(counts("SE", ("then", NOON, 5)))
    assert top(trends, "SE") == {"now": 1.0}
    assert trends.plays("SE", "then") == 10


def test_only_the_k_best_come_and_equal_ones_in_a_fixed_order() -> None:
    trends = TrendState(Vocabulary())
    names = [f"t{i}" for i in range(50)]
    trends.learn(counts("SE", *((name, NOON, 1) for name in names)))
    other = TrendState(Vocabulary())
    other.learn(counts("SE", *((name, NOON, 1) for name in reversed(names))))
    assert [*top(trends, "SE", 7)] == [*top(other, "SE", 7)]
    assert len(top(trends, "SE", 7)) == 7


def test_the_lightest_eighth_is_evicted_when_a_market_is_full() -> None:
    trends = TrendState(Vocabulary(), tracks_per_market_max=16)
    trends.learn(counts("SE", *((f"t{i}", NOON, i + 1) for i in range(16))))
    trends.changes()
    trends.learn(counts("SE", ("new", NOON, 1)))
    assert (len(trends), trends.evictions) == (15, 2)
    assert trends.plays("SE", "t0") == trends.plays("SE", "t1") == 0
    assert trends.plays("SE", "t15") == 16
    changes = dict(trends.changes())
    assert changes[b"SE\nt0"] is changes[b"SE\nt1"] is None
    assert changes[b"SE\nnew"] is not None


def test_a_market_grows_past_its_first_room() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", *((f"t{i}", NOON, i + 1) for i in range(5000))))
    assert len(trends) == 5000
    assert top(trends, "SE", 2) == pytest.approx({"t4999": 5000.0, "t4998": 4999.0})
    assert trends.plays("SE", "t17") == 18


def test_the_market_used_longest_ago_is_evicted() -> None:
    trends = TrendState(Vocabulary(), markets_max=2)
    for market in ("SE", "DE", "SE", "FR"):
        trends.learn(counts(market, ("a", NOON, 1)))
    assert trends.markets == ["SE", "FR"]
    changes = dict(trends.changes())
    assert changes[b"DE"] is changes[b"DE\na"] is None


def test_changed_markets_are_drained_once_and_all_of_them_on_request() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", ("a", NOON, 1)))
    trends.learn(counts("DE", ("a", NOON, 1)))
    assert trends.drain_dirty_markets() == ["SE", "DE"]
    assert trends.drain_dirty_markets() == []
    trends.mark_all_published_dirty()
    assert trends.drain_dirty_markets() == ["SE", "DE"]


def test_restored_tombstones_forget_a_track_or_a_market() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", ("a", NOON, 2), ("b", NOON, 1)))
    trends.restore(b"SE\na", None)
    assert top(trends, "SE") == pytest.approx({"b": 1.0})
    trends.restore(b"SE", None)
    trends.restore(b"DE\na", None)
    assert trends.markets == []


@pytest.mark.parametrize("step", [1, -1])
def test_records_of_different_landmarks_restore_to_the_last_bit_in_any_order(step: int) -> None:
    original, restored = TrendState(Vocabulary()), TrendState(Vocabulary())
    records = []
    for name, minute in (("old", NOON + 3), ("middle", NOON + 700), ("new", NOON + 2001)):
        original.learn(counts("SE", (name, minute, 7)))
        records += original.changes()
    for key, value in records[::step]:
        restored.restore(key, value)
    for window in get_args(TrendWindow):
        names, scores = original.trending("SE", window, 10)
        assert len(names) == 3
        found, again = restored.trending("SE", window, 10)
        assert (found, again.tolist()) == (names, scores.tolist())


def test_counts_that_are_taken_back_leave_the_rest_and_restore_as_they_are() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", ("a", NOON, 7), ("b", NOON + 1, 2), ("c", NOON + 3, 1)))
    trends.learn(counts("SE", ("a", NOON, -7), ("b", NOON + 1, -9), ("c", NOON + 2, -1)))
    trends.learn(counts("SE", ("b", NOON + 90, 1)))  # another hour: leaders are chosen
    assert [*top(trends, "SE")] == ["b", "c"]
    assert [trends.plays("SE", name) for name in "abc"] == [0, -6, 0]
    restored = TrendState(Vocabulary())
    for key, value in (records := trends.changes()):
        restored.restore(key, value)
    for state in (trends, restored):
        state.learn(counts("SE", ("a", NOON + 91, 1), ("b", NOON + 91, 1), ("c", NOON + 91, 1)))
    assert len(records) == 4
    assert dict(restored.changes()) == dict(trends.changes())


def test_a_market_of_which_more_was_taken_back_than_given_goes_on() -> None:
    trends = TrendState(Vocabulary())
    trends.learn(counts("SE", ("a", NOON, -2)))
    trends.learn(counts("SE", ("b", NOON + 60, 1)))
    assert [*top(trends, "SE")] == ["b"]
    assert trends.moving("SE", "day", 10).directions == ["steady"]


def test_an_unknown_market_has_no_trends() -> None:
    assert top(TrendState(Vocabulary()), "SE") == {}


@pytest.mark.parametrize(("key", "value"), [(b"SE", b""), (b"SE\na", bytes(9)), (b"SE", bytes(9))])
def test_bytes_that_are_no_record_are_refused(key: bytes, value: bytes) -> None:
    trends = TrendState(Vocabulary())
    with pytest.raises(ValueError, match="trends record"):
        trends.restore(key, value)
    assert trends.markets == []
