from __future__ import annotations

import math
from collections.abc import Sequence

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
from models.recommend.kernels.ranking import FORMS
from models.recommend.rankers import RANKER_KEY, encode_ranker
from schemas.events import Feedback, PlayEvent
from schemas.outputs import SOURCES, Source

Columns = tuple[Sequence[int], Sequence[float]]  # forward and fading
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

    def plays(self, *tracks: str, user: str = "ann", trained: bool = False, **more: str) -> None:
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
                **more,
            )
            self.state.learn([event], lists=self.recommender if trained else None)

    def row(
        self, track: str, plays: int, columns: Columns | None = None, /, **weights: int
    ) -> None:
        """Put a row; weights, forward and fading ones in units of one play next to the track."""
        forward, fading = columns or ([0] * len(weights), [0.0] * len(weights))
        row = RowColumns(
            plays,
            [*weights],
            2520 * np.array([*weights.values()], np.int64),
            2520 * np.array(forward, np.int64),
            2520 * np.array(fading, np.float32),
        )
        self.rows.put_columns(track, row, 0.0)

    def trust(self, *sources: Source) -> None:
        """Make both rankers order by these sources alone, by the share of the largest sum."""
        weights = self.state.ranker.weights
        weights[:] = 0
        for source in sources:
            weights[:, FORMS * SOURCES.index(source)] = 1

    def lists(self, user: str = "ann") -> tuple[dict[str, float], dict[str, float]]:
        slot = self.state.slot(user)
        assert slot is not None
        (served,) = self.recommender.recommend(self.state, [slot])
        assert served.user_id == user
        following, discover = (
            dict(zip(columns[0], columns[1].tolist(), strict=True))
            for columns in (served.next, served.discover)
        )
        return following, discover

    def shares(self, user: str = "ann") -> dict[str, float]:
        """The scores of `next` before they were made relative, if the best has a score of 1."""
        return {track: 1 + math.log(score) for track, score in self.lists(user)[0].items()}


def test_together_is_weights_by_age_and_popularity() -> None:
    world = Listening(list_length=3)
    world.trust("together")
    world.plays("old", "new")
    world.row("new", 3, x=100, y=10)
    world.row("old", 8, x=30, z=60)
    sums = {"x": 100 / 2 + 0.8 * 30 / 3, "z": 0.8 * 60 / 3, "y": 10 / 2}
    expected = {track: amount / sums["x"] for track, amount in sums.items()}
    assert world.shares() == pytest.approx(expected, rel=1e-5)
    assert [*world.lists()[1]] == ["x", "z", "y"]


def test_lately_is_fading_weights_by_age() -> None:
    world = Listening(list_length=2)
    world.trust("lately")
    world.plays("old", "new")
    world.row("new", 3, ([0, 0], [1.0, 0.5]), x=100, y=10)
    world.row("old", 8, ([0], [2.0]), y=30)
    assert world.shares() == pytest.approx({"y": 1.0, "x": 1 / (0.5 + 0.8 * 2)}, rel=1e-5)


def test_after_is_what_followed_the_last_track() -> None:
    world = Listening(list_length=2)
    world.trust("after")
    world.plays("old", "new")
    world.row("new", 3, ([1, 4], [0, 0]), x=100, y=10)
    world.row("old", 8, ([30], [0]), x=30)
    assert world.shares() == pytest.approx({"y": 1.0, "x": 0.25}, rel=1e-5)


def test_artist_brings_the_artists_other_tracks() -> None:
    world = Listening(list_length=3)
    world.trust("artist")
    world.plays("a", artist="Kino")
    world.plays("now", artist="ABBA ")
    world.row("\x01abba", 9, waterloo=7, now=2)
    world.row("\x01kino", 9, loneliness=1)
    lone = 0.8 * math.sqrt(1.5) / math.sqrt(7.5 / 2)
    assert world.shares() == pytest.approx({"waterloo": 1.0, "loneliness": lone, "a": 0}, abs=1e-5)


def test_again_often_and_loop_are_the_listeners_own_plays() -> None:
    world = Listening(list_length=3)
    world.plays("x", "y", "now", "y", "z", "y", "now")
    expected: dict[Source, dict[str, float]] = {
        "again": {"y": 1.0, "z": 1 - 1 / 2 + 1 / 3, "x": 1 - 1 / 2 + 1 / 7},
        "often": {"y": 1.0, "z": 1 / 3, "x": 1 / 3},
        "loop": {"y": 1.0, "z": 0.0, "x": 0.0},
    }
    for source, shares in expected.items():
        world.trust(source)
        assert world.shares() == pytest.approx(shares, abs=1e-5), source
    assert world.lists()[1] == {}


def test_popular_is_the_market_and_only_then_the_world() -> None:
    world = Listening(list_length=3)
    world.trust("popular")
    world.plays("now", market="SE")
    world.recommender.set_trending("SE", ["s1", "now", "s2"], [8.0, 6.0, 2.0])
    world.recommender.set_trending("world", ["w1", "s2"], [9.0, 4.0])
    following, _ = world.lists()
    assert [*following] == ["s1", "s2", "w1"]
    assert world.shares()["s2"] == pytest.approx(0.25, rel=1e-5)
    assert following["w1"] == pytest.approx(following["s2"])


def test_the_sixth_track_back_gives_nothing() -> None:
    world = Listening()
    world.plays("t6", "t5", "t4", "t3", "t2", "t1")
    world.row("t6", 0, far=1)
    world.row("t5", 0, near=1)
    assert [*world.lists()[1]] == ["near"]


def test_each_entry_says_what_spoke_for_it() -> None:
    world = Listening(list_length=4)
    world.plays("old", "now")
    world.row("now", 0, x=9, y=1)
    world.row("old", 0, y=9)
    world.recommender.set_trending("world", ["hit", "flop"], [3.0, 1.0])
    slot = world.state.slot("ann")
    assert slot is not None
    (served,) = world.recommender.recommend(world.state, [slot])
    names, _, sources, because = served.discover
    assert served.session == ["now", "old"]
    assert [*zip(names, sources, because.tolist(), strict=True)] == [
        ("x", "together", 0),
        ("y", "together", 1),
        ("hit", "popular", -1),
        ("flop", "popular", -1),
    ]


def test_rankers_learn_what_is_played_next() -> None:
    world = Listening()
    world.recommender.set_trending("world", ["hit", "other"], [1.0, 0.9])
    world.row("hit", 0, ([0, 9], [0, 0]), loud=100, quiet=9)
    before = world.state.ranker.weights.copy()
    for i in range(200):
        world.plays("hit", "quiet", user=f"user-{i}", trained=True)
    after = world.state.ranker.weights - before
    assert world.state.ranker.trained.tolist() == [400, 400]
    first = FORMS * SOURCES.index("after")
    assert (after[:, first] > 0.1).all()
    world.plays("hit", user="eve")
    assert next(iter(world.lists("eve")[1])) == "quiet"


def test_a_repeat_teaches_next_and_not_discover() -> None:
    world = Listening()
    world.plays("a", "b")
    world.plays("a", trained=True)
    assert world.state.ranker.trained.tolist() == [1, 0]


def test_what_no_list_could_hold_teaches_nothing() -> None:
    world = Listening()
    world.row("now", 0, bad=9, good=1)
    world.plays("now")
    world.state.apply_feedback([Feedback("f", "ann", "block_track", "bad", T0)])
    world.plays("bad", trained=True)
    world.plays("unheard of", trained=True)
    skip = PlayEvent("s", "ann", "now", T0 + 9, 0, 1000, "skipped")
    late = PlayEvent("l", "ann", "now", T0 - 2 * HOUR, 9, 9, "finished")
    world.state.learn([skip, late], lists=world.recommender)
    assert world.state.ranker.trained.tolist() == [0, 0]


def test_a_play_far_down_the_candidates_teaches_nothing() -> None:
    world = Listening()
    world.row("now", 0, **{f"n{i}": 50 - i for i in range(40)})
    world.plays("now")
    world.plays("n32", trained=True)
    assert world.state.ranker.trained.tolist() == [0, 0]
    world.plays("now")
    world.plays("n31", trained=True)
    assert world.state.ranker.trained.tolist() == [1, 1]


def test_rankers_are_kept_with_the_listeners() -> None:
    world = Listening()
    world.row("now", 0, x=9, y=1)
    world.plays("now", "y", trained=True)
    records = world.state.changes()
    assert [key for key, _ in records].count(RANKER_KEY) == 1
    other = ListenerState(Vocabulary())
    for key, value in records:
        other.restore(key, value)
    assert other.ranker.weights.tobytes() == world.state.ranker.weights.tobytes()
    assert other.ranker.squares.tobytes() == world.state.ranker.squares.tobytes()
    assert other.ranker.trained.tolist() == world.state.ranker.trained.tolist()
    assert len(other) == 1
    assert other.changes() == []


def test_a_ranker_of_other_features_begins_anew() -> None:
    state = ListenerState(Vocabulary())
    fresh = state.ranker.weights.copy()
    value = encode_ranker(state.ranker)
    state.ranker.weights[:] = 7
    state.restore(RANKER_KEY, bytes([9]) + value[1:])
    assert (state.ranker.weights == fresh).all()
    with pytest.raises(ValueError, match="another length"):
        state.restore(RANKER_KEY, value[:-1])
    with pytest.raises(ValueError, match="truncated"):
        state.restore(RANKER_KEY, value[:3])


def test_needs_are_the_context_and_the_plays_to_come() -> None:
    world = Listening()
    world.plays("a", "b", "c", "d", "e", "f", "f", artist="Kino")
    world.plays("z", user="bob", market="SE")
    slots = world.state.all_slots()
    coming = PlayEvent("p", "bob", "new", T0, 1, 1, "finished", artist="ABBA", market="BR")
    needs = world.recommender.needs(world.state, slots, [coming])
    names = world.recommender.vocabulary.names
    assert {names[row] for row in needs.rows} == {*"cdefz", "\x01kino", "new", "\x01abba"}
    assert {names[market] for market in needs.markets} == {"", "SE", "BR"}


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
    world = Listening(list_length=45)
    world.trust("together")
    world.plays("now", market="SE")
    world.row("now", 3, x=100)
    market, everywhere = [f"s{i}" for i in range(40)], [f"w{i}" for i in range(40)]
    world.recommender.set_trending("SE", market, [*range(80, 40, -1)])
    world.recommender.set_trending("world", everywhere, [*range(40, 0, -1)])
    slot = world.state.slot("ann")
    assert slot is not None
    (served,) = world.recommender.recommend(world.state, [slot])
    names, scores, sources, _ = served.next
    assert names[0] == "x"
    assert {*names[1:33]} == {*market[:32]}
    assert names[33:] == [*market[32:], *everywhere[:4]]
    assert sources == ["together", *["popular"] * 44]
    last = scores[32]
    assert scores[33:41].tolist() == pytest.approx([last * (48 - i) / 80 for i in range(8)])


def test_a_listener_of_an_unknown_market_gets_the_world() -> None:
    world = Listening()
    world.plays("now", market="XX")
    world.recommender.set_trending("world", ["w1", "now"], [2.0, 1.0])
    assert world.lists()[0] == {"w1": 1.0}


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
    assert together[1].next[0] == ["for_bob", "start-bob"]
    assert {served.next[1].tobytes() for served in together} == {alone[0].next[1].tobytes()}


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
