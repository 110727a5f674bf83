from __future__ import annotations

from math import log2

import pytest

from models.recommend.kernels.listener import RECIPROCALS
from schemas.events import PlayEvent
from segue.testing.listening import T0, Listening
from segue.testing.stage_a import said

HOUR = 3_600_000


def play_of(track: str, name: str) -> PlayEvent:
    return PlayEvent(name, "ann", track, T0 + 1, 1, 1, "finished")


def scores_of(world: Listening) -> dict[str, list[float]]:
    """Trials, hits among 10 and among 20 since the last call, by list that was tested."""
    lists = world.state.drain_scores().sum(axis=0).tolist()
    return {
        name: sums[:RECIPROCALS]
        for name, sums in zip(("next", "discover", "popular"), lists, strict=True)
        if sums[0]
    }


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
    world.state.apply_feedback([said("block_track", "bad")])
    assert [[*listed] for listed in world.lists()] == [["good", "hit"], ["good", "hit"]]
    world.state.apply_feedback([said("unblock_track", "bad")])
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
    world.plays("now", trained=True)
    assert scores_of(world) == {}
    world.row("now", 0, good=1)
    world.lists()
    world.plays("good", trained=True)
    assert scores_of(world) == {"next": [1, 1, 1], "discover": [1, 1, 1], "popular": [1, 0, 0]}
    world.lists()
    world.plays("hit", trained=True)
    assert scores_of(world)["popular"] == [1, 1, 1]


def test_place_of_the_play_in_the_list_gives_all_four_measures() -> None:
    world = Listening(list_length=20)
    world.trust("together")
    world.plays("now")
    world.row("now", 0, **{f"t{i}": 50 - i for i in range(20)})
    for place in (0, 9, 10, 19):
        world.lists()
        world.state.drain_scores()
        world.state.learn([play_of(f"t{place}", f"at {place}")])
        sums = world.state.drain_scores().sum(axis=0)
        near = place < 10
        expected = [1.0, float(near), 1.0, 1 / (place + 1), 1 / log2(place + 2)]
        assert sums.tolist()[:2] == [pytest.approx(expected)] * 2
        world.state.restore(b"ann", None)
        world.plays("now")


def test_discover_is_tested_by_tracks_new_to_the_listener_alone() -> None:
    world = Listening()
    world.plays("known", "now")
    world.row("now", 0, known=2, fresh=1)
    world.lists()
    world.plays("known")
    assert scores_of(world).keys() == {"next", "popular"}
    world.lists()
    world.plays("fresh")
    assert scores_of(world).keys() == {"next", "popular", "discover"}


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
    assert scores_of(world) == {}


def test_more_markets_than_expected_at_first_are_kept_apart() -> None:
    world = Listening()
    for i in range(40):
        world.recommender.set_trending(f"M{i}", [f"hit-{i}"], [1.0])
    world.plays("now", market="M33")
    assert [*world.lists()[0]] == ["hit-33"]
