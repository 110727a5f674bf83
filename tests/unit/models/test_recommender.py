from __future__ import annotations

import math

import numpy as np
import pytest

from models.recommend import (
    ListenerLimits,
    ListenerState,
    Recommender,
    RowCache,
    RowColumns,
    Vocabulary,
)
from schemas.events import Feedback, PlayEvent

T0 = 1_700_000_000_000
HOUR = 3_600_000


class Listening:
    """One state, one cache and one recommender, with rows put in by hand."""

    def __init__(self, list_length: int = 5) -> None:
        vocabulary = Vocabulary()
        self.state = ListenerState(vocabulary, ListenerLimits())
        self.rows = RowCache(vocabulary)
        self.recommender = Recommender(vocabulary, self.rows, list_length=list_length)
        self.count = 0

    def plays(self, *tracks: str, user: str = "ann", market: str | None = None) -> None:
        for track in tracks:
            self.count += 1
            event = PlayEvent(
                event_id=f"e{self.count}",
                user_id=user,
                track_id=track,
                started_at_ms=T0 + self.count,
                played_ms=1,
                duration_ms=1,
                end_reason="finished",
                market=market,
            )
            self.state.learn([event])

    def row(self, track: str, plays: int, **weights: int) -> None:
        columns = RowColumns(plays, [*weights], np.array([*weights.values()], np.int64))
        self.rows.put_columns(track, columns, 0.0)

    def lists(self, user: str = "ann") -> tuple[dict[str, float], dict[str, float]]:
        slot = self.state.slot(user)
        assert slot is not None
        (served,) = self.recommender.recommend(self.state, [slot])
        assert served.user_id == user
        following, discover = (
            dict(zip(names, scores.tolist(), strict=True)) for names, scores, _ in served[1:]
        )
        return following, discover


def test_scores_are_weights_by_age_and_popularity() -> None:
    world = Listening()
    world.plays("old", "new")
    world.row("new", 3, x=100, y=10)
    world.row("old", 8, x=30, z=60)
    following, discover = world.lists()
    expected = {"x": 100 / 2 + 0.8 * 30 / 3, "z": 0.8 * 60 / 3, "y": 10 / 2}
    assert following == pytest.approx(expected)
    assert [*following] == ["x", "z", "y"]
    assert discover == following


def test_the_sixth_track_back_gives_nothing() -> None:
    world = Listening()
    world.plays("t6", "t5", "t4", "t3", "t2", "t1")
    world.row("t6", 0, far=1)
    world.row("t5", 0, near=1)
    assert world.lists()[0] == pytest.approx({"near": 0.8**4})


def test_context_is_the_last_five_tracks_of_the_session_each_once() -> None:
    world = Listening()
    world.plays("a", "b", "c", "d", "e", "f", "f")
    world.plays("z", user="bob")
    slots = world.state.all_slots()
    tracks = world.recommender.context_tracks(world.state, slots).tolist()
    assert {world.recommender.vocabulary.names[track] for track in tracks} == {*"cdefz"}


def test_next_may_repeat_and_discover_may_not() -> None:
    world = Listening()
    world.plays("heard", "now")
    world.row("now", 0, heard=9, fresh=1, now=100)
    following, discover = world.lists()
    assert [*following] == ["heard", "fresh"]
    assert [*discover] == ["fresh"]


def test_blocked_tracks_are_in_neither_list_until_unblocked() -> None:
    world = Listening()
    world.plays("now")
    world.row("now", 0, bad=9, good=1)
    world.recommender.set_trending("world", ["bad", "hit"], [2.0, 1.0])
    world.state.apply_feedback([Feedback("f", "ann", "block_track", "bad", T0)])
    assert [[*listed] for listed in world.lists()] == [["good", "hit"], ["good", "hit"]]
    world.state.apply_feedback([Feedback("f", "ann", "unblock_track", "bad", T0)])
    assert "bad" in world.lists()[0]


def test_a_track_just_skipped_is_not_next() -> None:
    world = Listening()
    world.plays("now")
    world.row("now", 0, skipped=9, other=1)
    skip = PlayEvent("s", "ann", "skipped", T0 + 9, 0, 1000, "skipped")
    assert world.state.learn([skip]).tally() == {"skipped": 1}
    assert [*world.lists()[0]] == ["other"]


def test_lists_are_filled_from_the_market_then_from_the_world() -> None:
    world = Listening(list_length=4)
    world.plays("now", market="SE")
    world.row("now", 3, x=100)
    world.recommender.set_trending("SE", ["s1", "x"], [40.0, 10.0])
    world.recommender.set_trending("world", ["w1", "s1", "w2", "w3"], [8.0, 4.0, 4.0, 1.0])
    slot = world.state.slot("ann")
    assert slot is not None
    (served,) = world.recommender.recommend(world.state, [slot])
    names, scores, sources = served.next
    assert names == ["x", "s1", "w1", "w2"]
    assert sources == ["similar", "popular", "popular", "popular"]
    assert scores.tolist() == pytest.approx([50.0, 50.0, 50.0, 25.0])


def test_a_listener_of_an_unknown_market_gets_the_world() -> None:
    world = Listening()
    world.plays("now", market="XX")
    world.recommender.set_trending("world", ["w1", "now"], [2.0, 1.0])
    assert world.lists()[0] == pytest.approx({"w1": 1.0})


def test_a_list_holds_no_more_than_its_length() -> None:
    world = Listening(list_length=3)
    world.plays("now")
    world.row("now", 0, **{f"n{i}": i + 1 for i in range(50)})
    assert [*world.lists()[0]] == ["n49", "n48", "n47"]


def test_discover_looks_beyond_a_full_next_list() -> None:
    world = Listening(list_length=2)
    world.plays("h1", "h2", "h3", "now")
    world.row("now", 0, h1=9, h2=8, h3=7, new1=2, new2=3, new3=1)
    following, discover = world.lists()
    assert [*following] == ["h1", "h2"]
    assert [*discover] == ["new2", "new1"]


def test_without_anything_known_lists_are_empty() -> None:
    world = Listening()
    world.plays("now")
    assert world.lists() == ({}, {})


def test_recommending_nobody_is_nothing() -> None:
    world = Listening()
    assert world.recommender.recommend(world.state, []) == []


def test_many_listeners_in_one_call_get_what_each_would_alone() -> None:
    world = Listening()
    for user in ("ann", "bob", "cid"):
        world.plays(f"start-{user}", "now", user=user)
        world.row(f"start-{user}", 1, **{f"for_{user}": 7})
    slots = world.state.all_slots()
    together = world.recommender.recommend(world.state, slots)
    alone = [world.recommender.recommend(world.state, [slot])[0] for slot in slots]
    assert [served.next[0] for served in together] == [served.next[0] for served in alone]
    assert together[1].next[0] == ["for_bob"]
    assert math.isclose(together[1].next[1][0], 0.8 * 7 / math.sqrt(2), rel_tol=1e-6)


def test_the_play_after_a_list_is_a_trial_for_it_and_for_the_popular_tracks() -> None:
    world = Listening()
    world.recommender.set_trending("world", ["hit"], [1.0])
    world.plays("now")
    assert (world.state.trials, world.state.hits) == (0, 0)
    world.row("now", 0, good=1)
    world.lists()
    world.plays("good")
    assert (world.state.trials, world.state.hits, world.state.popular_hits) == (1, 1, 0)
    world.lists()
    world.plays("hit")
    assert (world.state.trials, world.state.hits, world.state.popular_hits) == (2, 2, 1)


def test_only_applied_plays_are_trials() -> None:
    world = Listening()
    world.plays("now")
    world.row("now", 0, good=1)
    world.lists()
    skip = PlayEvent("s", "ann", "good", T0 + 9, 0, 1000, "skipped")
    late = PlayEvent("l", "ann", "good", T0 - 2 * HOUR, 9, 9, "finished")
    assert world.state.learn([skip, late, skip]).tally() == {
        "skipped": 1,
        "late": 1,
        "duplicate": 1,
    }
    assert world.state.trials == 0


def test_more_markets_than_expected_at_first_are_kept_apart() -> None:
    world = Listening()
    for i in range(40):
        world.recommender.set_trending(f"M{i}", [f"hit-{i}"], [1.0])
    world.plays("now", market="M33")
    assert [*world.lists()[0]] == ["hit-33"]
