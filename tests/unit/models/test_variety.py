"""How many tracks of an artist a list holds and where, and what newcomers see who named artists."""

from __future__ import annotations

import math

import pytest

from schemas.frames import ARTIST_MARK
from segue.testing.listening import Listening
from segue.testing.stage_a import said


def listening(list_length: int = 6, *, filtered: bool = True) -> Listening:
    return Listening(list_length, artist_tracks_max=2, filtered=filtered)


def known(world: Listening, **artists: str) -> None:
    """Let somebody play tracks of these artists long ago."""
    for track, artist in artists.items():
        world.plays(track, user="somebody", artist=artist)


def test_a_list_holds_the_best_tracks_of_an_artist_and_no_more() -> None:
    world = listening()
    known(world, a1="A", a2="A", a3="A", a4="A", b1="B")
    world.trust("together")
    world.plays("x")
    world.row("x", 10, None, a4=9, a3=8, b1=7, a1=6, a2=5, u1=4, u2=3, u3=2)
    following, discover = world.lists()
    assert {*following} == {*discover} == {"a4", "a3", "b1", "u1", "u2", "u3"}


def test_order_of_coming_does_not_matter_for_who_stays() -> None:
    for weights in ({"a1": 1, "a2": 2, "a3": 3, "a4": 4}, {"a4": 4, "a3": 3, "a2": 2, "a1": 1}):
        world = listening()
        known(world, a1="A", a2="A", a3="A", a4="A")
        world.trust("again")
        world.plays(*sorted(weights, key=lambda track: weights[track]), "x")
        assert {*world.lists()[0]} == {"a3", "a4"}


def test_tracks_of_unknown_artists_are_not_counted_together() -> None:
    world = listening()
    world.plays("x")
    world.row("x", 10, None, a=9, b=8, c=7, d=6)
    assert [*world.lists()[0]] == ["a", "b", "c", "d"]


def test_what_fills_a_list_up_counts_too() -> None:
    world = listening(list_length=4)
    known(world, a1="A", a2="A", a3="A", b1="B")
    world.plays("x")
    world.row("x", 10, None, a1=9)
    popular = [f"p{i}" for i in range(32)]  # more are no candidates, but may fill up
    world.recommender.set_trending("world", [*popular, "a2", "a3", "b1"], [1.0] * 35)
    world.state.apply_feedback([said("block_track", track) for track in popular])
    assert [*world.lists()[0]] == ["a1", "a2", "b1"]


def test_close_tracks_of_one_artist_are_apart_and_distant_ones_are_not() -> None:
    world = listening()
    known(world, a1="A", a2="A", b1="B", c1="C")
    world.trust("together")
    world.plays("x")
    world.row("x", 10, None, a1=100, a2=99, b1=90, c1=1)
    best, second, third = (w / 100 for w in (100, 99, 90))
    assert world.lists()[0] == pytest.approx(
        {
            "a1": 1.0,
            "b1": math.exp(third - best),
            "a2": math.exp(third - best),  # no more than the one it let pass
            "c1": math.exp(0.01 - best),
        },
        rel=1e-4,
    )
    assert [*world.lists()[0]] == ["a1", "b1", "a2", "c1"]
    weights = world.state.ranker.weights
    weights *= 10  # now b1 is far behind
    assert [*world.lists()[0]] == ["a1", "a2", "b1", "c1"]
    assert second > third


def test_without_product_filters_lists_hold_any_number_in_the_order_of_scores() -> None:
    world = listening(filtered=False)
    known(world, a1="A", a2="A", a3="A", b1="B")
    world.trust("together")
    world.plays("x")
    world.row("x", 10, None, a1=9, a2=8, a3=7, b1=6)
    assert [*world.lists()[0]][:4] == ["a1", "a2", "a3", "b1"]


def newcomer(world: Listening, *artists: str) -> None:
    world.row(f"{ARTIST_MARK}abba", 9, None, a1=5, a2=4, a3=3)
    world.row(f"{ARTIST_MARK}kino", 9, None, k1=5, both=4, bad=-1)
    world.recommender.set_trending("world", ["p1", "a1"], [2.0, 1.0])
    world.state.apply_feedback([said("taste", artists=artists)])


def test_a_newcomer_sees_artists_they_named_in_turn_and_then_trends() -> None:
    world = listening()
    newcomer(world, "Kino", "nobody knows", "ABBA")
    expected = {"k1": 1.0, "a1": 1.0, "both": 0.8, "a2": 0.8, "p1": 0.8}
    assert all(found == pytest.approx(expected) for found in world.lists())
    assert [*world.lists()[0]] == [*expected]
    slot = world.state.slot("ann")
    assert slot is not None
    served = world.recommender.recommend(world.state, [slot])[0]
    assert served.next[2] == [*["stated"] * 4, "popular"]
    assert served.next[3].tolist() == [-1] * 5


def test_what_a_newcomer_blocked_is_not_shown_for_an_artist_they_named() -> None:
    world = listening()
    newcomer(world, "kino", "abba")
    world.state.apply_feedback([said("block_track", "a1"), said("block_artist", artist="Kino")])
    world.plays("k1", "both", user="somebody", artist="kino")
    assert [*world.lists()[0]] == ["a2", "a3", "p1"]


def test_a_taste_holds_until_the_first_play() -> None:
    world = listening()
    newcomer(world, "abba")
    world.plays("x")
    assert [*world.lists()[0]] == ["p1", "a1"]


def test_rows_of_named_artists_are_needed_until_the_first_play() -> None:
    world = listening()
    newcomer(world, "abba")
    slot = world.state.slot("ann")
    assert slot is not None
    artist = world.state.vocabulary.find(f"{ARTIST_MARK}abba")
    assert artist in world.recommender.needs(world.state, [slot]).rows
    said_now = [said("taste", artists=("New",))]
    rows = world.recommender.needs(world.state, [], said=said_now).rows
    assert rows.tolist() == [world.state.vocabulary.find(f"{ARTIST_MARK}new")]
    world.plays("x")
    assert artist not in world.recommender.needs(world.state, [slot]).rows
