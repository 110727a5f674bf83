from __future__ import annotations

from itertools import count

import pytest

from models.recommend import OUTCOMES, ListenerLimits, ListenerState
from models.recommend.plays import hash40
from models.recommend.vocabulary import hash16
from schemas.frames import ARTIST_MARK
from segue.testing.stage_a import MINUTE, T0, outcomes, play, said, state, weights


def context(listeners: ListenerState, user: str = "ann") -> list[str]:
    snapshot = listeners.snapshot(user)
    assert snapshot is not None
    return snapshot.context


def test_pairs_weigh_2520_by_distance_in_both_directions() -> None:
    listeners = state()
    listeners.learn([play("a"), play("b", T0 + 1), play("c", T0 + 2)])
    assert weights(listeners) == {
        ("a", "a"): 1,
        ("b", "b"): 1,
        ("c", "c"): 1,
        ("a", "b"): 2520,
        ("b", "a"): 2520,
        ("b", "c"): 2520,
        ("c", "b"): 2520,
        ("a", "c"): 1260,
        ("c", "a"): 1260,
    }
    assert weights(listeners) == {}


def test_the_eleventh_track_back_is_out_of_reach() -> None:
    listeners = state()
    listeners.learn([play(f"t{i}", T0 + i) for i in range(12)])
    found = weights(listeners)
    assert found["t11", "t1"] == 252
    assert ("t11", "t0") not in found


def test_a_repeated_track_pairs_with_what_was_between_but_not_with_itself() -> None:
    listeners = state()
    listeners.learn([play("a"), play("b", T0 + 1), play("a", T0 + 2)])
    assert weights(listeners) == {
        ("a", "a"): 2,
        ("b", "b"): 1,
        ("a", "b"): 5040,
        ("b", "a"): 5040,
    }


@pytest.mark.parametrize(
    ("reason", "played_ms", "duration_ms", "outcome"),
    [
        ("skipped", 29_999, 200_000, "skipped"),
        ("skipped", 30_000, 200_000, "applied"),
        ("skipped", 24_999, 50_000, "skipped"),
        ("skipped", 25_000, 50_000, "applied"),
        ("skipped", 29_999, 0, "skipped"),
        ("skipped", 30_000, 0, "applied"),
        ("error", 200_000, 200_000, "skipped"),
        ("stopped", 0, 200_000, "applied"),
        ("finished", 0, 0, "applied"),
    ],
)
def test_early_skips_and_errors_are_told_from_plays(
    reason: str, played_ms: int, duration_ms: int, outcome: str
) -> None:
    event = play("a", end_reason=reason, played_ms=played_ms, duration_ms=duration_ms)
    assert outcomes(state(), event) == [outcome]


def test_a_skip_counts_and_is_heard_and_takes_what_a_play_would_give_its_pairs() -> None:
    listeners = state()
    skip = play("b", T0 + 1, end_reason="skipped", played_ms=0)
    assert outcomes(listeners, play("a"), skip, play("c", T0 + 2)) == [
        "applied",
        "skipped",
        "applied",
    ]
    found = weights(listeners)
    assert found["b", "b"] == 1
    assert found["a", "c"] == 2520
    assert (found["a", "b"], found["b", "a"]) == (-2520, -2520)
    assert ("b", "c") not in found, "a skip is no context"
    snapshot = listeners.snapshot("ann")
    assert snapshot is not None
    assert snapshot.plays == 3
    assert snapshot.heard == [hash16(name) for name in "cba"]
    assert snapshot.context == ["c", "a"]
    trends = {name for frame in listeners.drain_trend_counts() for name in frame.names}
    assert trends == {"a", "c"}


def test_a_play_broken_off_by_an_error_takes_nothing() -> None:
    listeners = state()
    assert outcomes(listeners, play("a"), play("b", T0 + 1, end_reason="error")) == [
        "applied",
        "skipped",
    ]
    assert weights(listeners) == {("a", "a"): 1, ("b", "b"): 1}


def test_a_skip_in_another_session_takes_nothing() -> None:
    listeners = state()
    skip = play("b", T0 + 31 * MINUTE, end_reason="skipped", played_ms=0)
    outcomes(listeners, play("a"), skip)
    assert weights(listeners) == {("a", "a"): 1, ("b", "b"): 1}


def test_late_means_older_than_the_newest_play_by_more_than_the_limit() -> None:
    listeners = state(lateness_ms=1000)
    assert outcomes(
        listeners, play("a", T0), play("b", T0 - 1000), play("c", T0 - 1001), play("d", T0 - 999)
    ) == ["applied", "applied", "late", "applied"]
    assert context(listeners) == ["d", "b", "a"]


def test_a_late_play_counts_is_heard_and_trends_but_is_no_context() -> None:
    listeners = state(lateness_ms=0)
    learned = listeners.learn([play("a", T0), play("b", T0 - 1, market="SE")])
    assert learned.tally() == {"applied": 1, "late": 1}
    snapshot = listeners.snapshot("ann")
    assert snapshot is not None
    assert (snapshot.plays, snapshot.market, snapshot.last_track) == (2, "", "a")
    assert listeners.has_heard(learned.touched[0], "b")
    assert weights(listeners) == {("a", "a"): 1, ("b", "b"): 1}
    frames = {frame.market: frame.names for frame in listeners.drain_trend_counts()}
    assert frames == {"SE": ["b"], "world": ["a", "b"]}


def test_a_gap_longer_than_the_limit_begins_a_session() -> None:
    listeners = state(session_gap_ms=MINUTE)
    listeners.learn([play("a"), play("b", T0 + MINUTE)])
    assert context(listeners) == ["b", "a"]
    listeners.learn([play("c", T0 + 2 * MINUTE + 1)])
    assert context(listeners) == ["c"]


def test_session_ids_decide_where_both_plays_have_one() -> None:
    listeners = state(session_gap_ms=MINUTE)
    listeners.learn([play("a", session_id="s"), play("b", T0 + 9 * MINUTE, session_id="s")])
    assert context(listeners) == ["b", "a"]
    listeners.learn([play("c", T0 + 9 * MINUTE + 1, session_id="other")])
    assert context(listeners) == ["c"]
    listeners.learn([play("d", T0 + 9 * MINUTE + 2)])
    assert context(listeners) == ["d", "c"]


def test_an_event_is_a_duplicate_within_the_window_of_its_listener_only() -> None:
    listeners = state(dedupe_window=2)
    first, second, third = (play(track, T0 + i) for i, track in enumerate("abc"))
    assert outcomes(listeners, first, second, first, third, first) == [
        "applied",
        "applied",
        "duplicate",
        "applied",
        "applied",
    ]
    other = play("a", event_id=first.event_id, user_id="bob")
    assert outcomes(listeners, other) == ["applied"]


def test_ids_that_agree_in_32_of_their_40_bits_are_two() -> None:
    ids, known = (f"event {i}" for i in count()), dict[int, str]()
    for first in ids:
        second = known.setdefault(hash40(first) & 0xFFFFFFFF, first)
        if second != first:
            break
    assert hash40(first) != hash40(second)
    plays = [play("a", event_id=first), play("a", event_id=second), play("a", event_id=first)]
    assert outcomes(state(), *plays) == ["applied", "applied", "duplicate"]


def test_tracks_that_agree_in_16_bits_are_heard_together() -> None:
    listeners = state()
    alike, other = (
        next(name for name in map(str, range(1_000_000)) if (hash16(name) == hash16("a")) is same)
        for same in (True, False)
    )
    (slot,) = listeners.learn([play("a")]).touched
    assert (listeners.has_heard(slot, alike), listeners.has_heard(slot, other)) == (True, False)


def test_160_distinct_tracks_are_remembered_as_heard() -> None:
    listeners = state()
    touched = listeners.learn([play(f"t{i}", T0 + i) for i in range(161)]).touched
    listeners.learn([play("t1", T0 + 300), play("new", T0 + 301)])
    assert not listeners.has_heard(touched[0], "t0")
    assert listeners.has_heard(touched[0], "t1")
    assert not listeners.has_heard(touched[0], "t2")
    assert listeners.heard_count(touched[0]) == 160


def test_50_plays_are_remembered_as_recent() -> None:
    listeners = state()
    listeners.learn([play(f"t{i}", T0 + i) for i in range(60)])
    snapshot = listeners.snapshot("ann")
    assert snapshot is not None
    assert snapshot.recent == [f"t{i}" for i in range(59, 9, -1)]


def test_trends_count_per_minute_for_the_market_and_the_world() -> None:
    listeners = state()
    listeners.learn(
        [
            play("a", T0, market="SE"),
            play("a", T0 + 1, market="SE"),
            play("a", T0 + MINUTE, market=None),
            play("b", T0, market="world"),
        ]
    )
    counts = {
        (frame.market, frame.names[track], int(bucket)): int(count)
        for frame in listeners.drain_trend_counts()
        for track, bucket, count in zip(frame.track, frame.bucket, frame.count, strict=True)
    }
    minute = T0 // MINUTE
    assert counts == {
        ("SE", "a", minute): 2,
        ("world", "a", minute): 2,
        ("world", "a", minute + 1): 1,
        ("world", "b", minute): 1,
    }
    assert listeners.drain_trend_counts() == []


def test_pairs_leave_in_frames_by_the_partition_of_their_left_track() -> None:
    listeners = state()
    listeners.learn([play("a"), play("b", T0 + 1)])
    frames = listeners.drain_pairs({"a": 3, "b": 1}.__getitem__)
    assert [*frames] == [1, 3]
    assert {frames[1].names[i] for i in frames[1].left} == {"b"}
    assert {frames[3].names[i] for i in frames[3].play_track} == {"a"}


def test_blocking_and_unblocking_are_idempotent() -> None:
    listeners = state()
    learned = listeners.apply_feedback(
        [said("block_track", "a"), said("block_track", "a"), said("unblock_track", "b")]
    )
    assert [OUTCOMES[code] for code in learned.outcomes] == ["applied", "duplicate", "duplicate"]
    assert learned.touched == [listeners.slot("ann")]
    assert listeners.apply_feedback([said("unblock_track", "a")]).tally() == {"applied": 1}
    assert listeners.apply_feedback([said("unblock_track", "a")]).tally() == {"duplicate": 1}


def test_unblocking_for_a_stranger_admits_nobody() -> None:
    listeners = state()
    listeners.apply_feedback([said("unblock_track", "a", "stranger")])
    assert len(listeners) == 0


def test_the_oldest_of_257_blocks_gives_way() -> None:
    listeners = state()
    listeners.apply_feedback([said("block_track", f"t{i}") for i in range(257)])
    snapshot = listeners.snapshot("ann")
    assert snapshot is not None
    assert [s.subject for s in snapshot.said] == [f"t{i}" for i in range(1, 257)]


def test_the_listener_used_longest_ago_is_evicted_and_the_changelog_told() -> None:
    listeners = state(listeners_max=2)
    listeners.learn([play("a", user_id="ann"), play("a", user_id="bob")])
    listeners.changes()
    again = play("b", T0 + 1, user_id="ann")
    learned = listeners.learn([again, play("a", user_id="cid")])
    assert (listeners.slot("bob"), listeners.evictions, len(listeners)) == (None, 1, 2)
    assert [listeners.user_id(slot) for slot in learned.touched] == ["ann", "cid"]
    changes = listeners.changes()
    assert changes[0] == (b"bob", None)
    assert [key for key, _ in changes] == [b"bob", b"ann", b"cid"]


def test_names_outlive_their_listener_until_the_records_are_taken() -> None:
    listeners = state(listeners_max=1)
    listeners.learn([play("a", artist="x")])
    listeners.apply_feedback([said("block_track", "b")])
    slices = listeners.change_slices()
    listeners.learn([play("c", user_id="bob")])  # evicts ann, whose names nobody else uses
    listeners.vocabulary.collect(listeners.used_ids())
    listeners.learn([play("d", T0 + 1, user_id="bob"), play("e", T0 + 2, user_id="bob")])
    restored = state()
    for part in slices:
        for key, value in part:
            restored.restore(key, value)
    snapshot = restored.snapshot("ann")
    assert snapshot is not None
    assert (snapshot.recent, [s.subject for s in snapshot.said]) == (["a"], ["b"])
    assert snapshot.artists == [f"{ARTIST_MARK}x"]


def test_a_listener_evicted_within_a_batch_is_not_touched() -> None:
    listeners = state(listeners_max=1)
    learned = listeners.learn([play("a", user_id="ann"), play("a", user_id="bob")])
    assert [listeners.user_id(slot) for slot in learned.touched] == ["bob"]


def test_a_listener_who_returns_before_the_flush_has_a_record_and_no_tombstone() -> None:
    listeners = state(listeners_max=1)
    listeners.learn([play("a", user_id="ann")])
    listeners.learn([play("a", user_id="bob")])
    listeners.learn([play("b", user_id="ann")])
    changes = dict(listeners.changes())
    assert changes[b"bob"] is None
    assert changes[b"ann"] is not None


def test_restoring_a_tombstone_forgets_the_listener_and_frees_the_slot() -> None:
    listeners = state(listeners_max=1)
    listeners.learn([play("a")])
    listeners.restore(b"ann", None)
    assert (len(listeners), listeners.snapshot("ann"), listeners.changes()) == (0, None, [])
    listeners.learn([play("b", user_id="bob")])
    assert (listeners.evictions, listeners.all_slots()) == (0, [0])


def test_a_record_of_a_larger_window_keeps_the_newest_ids() -> None:
    wide, narrow = state(dedupe_window=4), state(dedupe_window=2)
    plays = [play(track, T0 + i) for i, track in enumerate("abcdef")]
    wide.learn(plays)
    for key, value in wide.changes():
        narrow.restore(key, value)
    assert outcomes(narrow, plays[5], plays[4], plays[3]) == ["duplicate", "duplicate", "applied"]


def test_a_record_of_a_smaller_window_keeps_all_ids_in_order() -> None:
    narrow, wide = state(dedupe_window=2), state(dedupe_window=3)
    plays = [play(track, T0 + i) for i, track in enumerate("abc")]
    narrow.learn(plays)
    for key, value in narrow.changes():
        wide.restore(key, value)
    assert outcomes(wide, plays[1], plays[2]) == ["duplicate", "duplicate"]
    more = [play(track, T0 + 9) for track in "xy"]
    expected = ["applied", "applied", "duplicate", "applied"]
    assert outcomes(wide, *more, plays[2], plays[1]) == expected


@pytest.mark.parametrize("value", [b"", b"\x01" + bytes(44), b"\x02" + b"\xff" * 44, b"\x02" * 45])
def test_bytes_that_are_no_record_are_refused_and_change_nothing(value: bytes) -> None:
    listeners = state()
    with pytest.raises(ValueError, match="listener record"):
        listeners.restore(b"ann", value)
    assert len(listeners) == 0


def test_learning_nothing_is_nothing() -> None:
    listeners = state()
    assert listeners.learn([]).tally() == {}
    assert listeners.changes() == []


def test_limits_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ListenerLimits(listeners_max=0)
