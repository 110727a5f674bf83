from __future__ import annotations

import pytest

from models.recommend import ListenerState
from models.recommend.plays import artist_key
from schemas.frames import ARTIST_MARK
from segue.testing.stage_a import T0, forward, outcomes, play, said, state, weights


def test_what_was_played_later_is_ahead_in_the_row_of_what_was_before() -> None:
    listeners = state()
    listeners.learn([play("a"), play("b", T0 + 1), play("c", T0 + 2)])
    assert forward(listeners) == {
        ("a", "b"): {1: 2520},
        ("b", "a"): {0: 2520},
        ("b", "c"): {1: 2520},
        ("c", "b"): {0: 2520},
        ("a", "c"): {1: 1260},
        ("c", "a"): {0: 1260},
    }


def test_a_pair_played_in_both_orders_has_both_parts_in_both_rows() -> None:
    listeners = state()
    listeners.learn([play("a"), play("b", T0 + 1), play("b", T0 + 2), play("a", T0 + 3)])
    # b after a at distances 1 and 2, then a after b at 1 and 2.
    assert forward(listeners) == {
        ("a", "b"): {1: 3780, 0: 3780},
        ("b", "a"): {0: 3780, 1: 3780},
    }


def test_order_is_that_of_playing_not_of_names_or_of_first_mention() -> None:
    listeners = state()
    listeners.learn([play("z"), play("a", T0 + 1)])
    assert forward(listeners) == {("z", "a"): {1: 2520}, ("a", "z"): {0: 2520}}


def test_an_artist_gains_a_play_and_the_track_of_each_applied_play() -> None:
    listeners, artist = state(), f"{ARTIST_MARK}björk"
    listeners.learn(
        [
            play("a", artist="Björk"),
            play("b", T0 + 1, artist=" BJÖRK"),
            play("b", T0 + 2, artist="bjo\u0308rk\t"),
        ]
    )
    found = forward(listeners)
    assert found[artist, "a"] == {0: 2520}
    assert found[artist, "b"] == {0: 5040}
    assert {pair for pair in found if artist in pair} == {(artist, "a"), (artist, "b")}
    listeners.learn([play("c", T0 + 3, artist="Björk"), play("d", T0 + 4, artist="Björk")])
    assert weights(listeners)[artist, artist] == 2


@pytest.mark.parametrize("name", [None, "", " \t", "\x00"])
def test_a_play_without_the_name_of_an_artist_has_no_row_of_one(name: str | None) -> None:
    listeners, event = state(), play("a", artist=name)
    assert artist_key(event) == ""
    listeners.learn([event])
    assert weights(listeners) == {("a", "a"): 1}
    snapshot = listeners.snapshot("ann")
    assert snapshot is not None
    assert snapshot.artists == [""]


def named(listeners: ListenerState) -> dict[str, str]:
    """Return who the frames say that tracks are by."""
    return {
        frame.names[track]: frame.names[artist]
        for frame in listeners.drain_pairs(lambda _: 0).values()
        for track, artist in zip(frame.play_track, frame.play_artist, strict=True)
        if track != artist
    }


def test_frames_say_who_a_track_is_by_when_a_play_says_it_and_by_the_last_word() -> None:
    listeners = state()
    listeners.learn([play("a", artist="x"), play("a", T0 + 1, artist="Y"), play("b", T0 + 2)])
    listeners.learn([play("a", T0 + 3)])
    assert named(listeners) == {"a": f"{ARTIST_MARK}y"}
    listeners.learn([play("a", T0 + 4), play("b", T0 + 5, artist="Z")])
    assert named(listeners) == {"b": f"{ARTIST_MARK}z"}


def test_an_artist_named_like_a_track_is_another_row() -> None:
    listeners = state()
    listeners.learn([play("a", artist="a")])
    mine = f"{ARTIST_MARK}a"
    assert weights(listeners) == {("a", "a"): 1, (mine, mine): 1, (mine, "a"): 2520}


def test_plays_that_are_skipped_late_or_seen_before_say_nothing_of_their_artist() -> None:
    listeners = state(lateness_ms=1000)
    first = play("a", artist="x")
    skip = play("b", T0 + 1, artist="y", end_reason="skipped", played_ms=0)
    late = play("c", T0 - 1001, artist="z")
    assert outcomes(listeners, first, skip, late, first) == [
        "applied",
        "skipped",
        "late",
        "duplicate",
    ]
    found = weights(listeners)
    assert {left for left, _ in found if left.startswith(ARTIST_MARK)} == {f"{ARTIST_MARK}x"}
    assert found[f"{ARTIST_MARK}x", f"{ARTIST_MARK}x"] == 1
    snapshot = listeners.snapshot("ann")
    assert snapshot is not None
    assert snapshot.artists == [f"{ARTIST_MARK}x"]


def test_rows_of_artists_go_to_the_partition_of_their_marked_name() -> None:
    listeners, asked = state(), list[str]()

    def partition_of(name: str) -> int:
        asked.append(name)
        return int(name.startswith(ARTIST_MARK))

    listeners.learn([play("a", artist="x"), play("b", T0 + 1, artist="x")])
    frames = listeners.drain_pairs(partition_of)
    assert sorted(asked) == [f"{ARTIST_MARK}x", "a", "b"]
    assert {frames[1].names[i] for i in frames[1].left} == {f"{ARTIST_MARK}x"}
    assert {frames[0].names[i] for i in frames[0].left} == {"a", "b"}


def test_the_artists_of_recent_tracks_are_kept_and_restored() -> None:
    listeners, restored = state(), state()
    listeners.learn(
        [play(f"t{i}", T0 + i, artist=f"Artist {i}" if i % 3 else None) for i in range(8)]
    )
    listeners.apply_feedback([said("block_track", "bad")])
    known = listeners.snapshot("ann")
    assert known is not None
    expected = [f"{ARTIST_MARK}artist {i}" if i % 3 else "" for i in reversed(range(8))]
    assert known.artists == expected
    for key, value in listeners.changes():
        restored.restore(key, value)
    assert restored.snapshot("ann") == known
    restored.learn([play("u", T0 + 9, artist="ARTIST 9")])
    known = restored.snapshot("ann")
    assert known is not None
    assert known.artists == [f"{ARTIST_MARK}artist 9", *expected]
    assert ([s.subject for s in known.said], known.recent[:2]) == (["bad"], ["u", "t7"])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_record_of_few_tracks_holds_as_many_artists(count: int) -> None:
    listeners, restored = state(), state()
    listeners.apply_feedback([said("block_track", "bad")])
    listeners.learn([play(f"t{i}", T0 + i, artist=f"x{i}") for i in range(count)])
    for key, value in listeners.changes():
        restored.restore(key, value)
    known = restored.snapshot("ann")
    assert known is not None
    assert known == listeners.snapshot("ann")
    assert known.artists == [f"{ARTIST_MARK}x{i}" for i in reversed(range(count))]
