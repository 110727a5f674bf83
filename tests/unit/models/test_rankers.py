from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from models.recommend import ListenerState, Vocabulary
from models.recommend.kernels.ranking import FORMS
from models.recommend.rankers import RANKER_KEY, encode_ranker
from schemas.events import PlayEvent
from schemas.outputs import SOURCES, Source
from segue.testing.listening import T0, Listening
from segue.testing.stage_a import said

HOUR = 3_600_000


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
    world.state.apply_feedback([said("block_track", "bad")])
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
    state.ranker.weights[:] = 7
    before_audio = struct.pack("<BHqq", 1, 27, 5, 5) + np.ones(4 * 27).tobytes()
    state.restore(RANKER_KEY, before_audio)
    assert (state.ranker.weights == fresh).all()
    assert state.ranker.trained.tolist() == [0, 0]
    with pytest.raises(ValueError, match="another length"):
        state.restore(RANKER_KEY, value[:-1])
    with pytest.raises(ValueError, match="truncated"):
        state.restore(RANKER_KEY, value[:3])


def test_what_is_skipped_more_than_played_is_in_no_list_and_teaches_nothing() -> None:
    world = Listening()
    world.row("now", 0, ([5, 0], [5.0, 0.0]), bad=0, worse=-3)
    world.row("\x01kino", 1, now=1)
    world.plays("now", artist="Kino")
    assert world.lists() == ({}, {})
    world.plays("bad", trained=True)
    assert world.state.ranker.trained.tolist() == [0, 0]


def test_negative_parts_count_as_nothing() -> None:
    world = Listening(list_length=2)
    world.row("now", 0, ([-9, 1], [-9.0, 1.0]), x=5, y=5)
    world.plays("now")
    sources: tuple[Source, ...] = ("lately", "after")
    for source in sources:
        world.trust(source)
        assert world.shares() == pytest.approx({"y": 1.0, "x": 0.0}, abs=1e-6)


def test_sums_too_small_to_divide_by_poison_nothing() -> None:
    world = Listening()
    world.recommender.set_trending("world", ["hit"], [1.0])
    world.row("now", 0, ([0, 0], [1e-42, 0.0]), x=1, y=1)
    world.plays("now")
    following, discover = world.lists()
    assert all(math.isfinite(score) for score in (*following.values(), *discover.values()))
    world.plays("x", trained=True)
    assert world.state.ranker.trained.tolist() == [1, 1]
    assert np.isfinite(world.state.ranker.weights).all()


def test_a_sum_that_is_no_number_is_not_learned() -> None:
    world = Listening()
    world.row("now", 0, ([0, 0], [float("nan"), 0.0]), x=1, y=1)
    world.plays("now")
    world.plays("y", trained=True)
    assert np.isfinite(world.state.ranker.weights).all()


def test_a_ranker_with_what_is_no_number_begins_anew() -> None:
    state = ListenerState(Vocabulary())
    fresh = state.ranker.weights.copy()
    state.ranker.weights[1, 3] = float("nan")
    state.restore(RANKER_KEY, encode_ranker(state.ranker))
    assert (state.ranker.weights == fresh).all()


def test_a_reason_names_the_track_that_its_source_speaks_of() -> None:
    world = Listening(list_length=3)
    world.plays("i", artist="A")
    world.plays("b", artist="B")
    world.row("b", 0, ([1], [0]), j=9)
    world.row("i", 0, ([0], [0]), f=9)
    world.row("\x01a", 1, j=1)
    slot = world.state.slot("ann")
    assert slot is not None
    reasons = {}
    sources: tuple[Source, ...] = ("together", "after", "artist")
    for source in sources:
        world.trust(source)
        names, _, spoke, because = world.recommender.recommend(world.state, [slot])[0].discover
        reasons[source] = (spoke[names.index("j")], int(because[names.index("j")]))
    assert reasons == {"together": ("together", 0), "after": ("after", 0), "artist": ("artist", 1)}
