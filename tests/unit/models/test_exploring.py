"""Exploration: how often, which track, with which probability; the bandit that chooses how."""

from __future__ import annotations

import math
import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest

from models.recommend import (
    ListenerLimits,
    ListenerState,
    Recommender,
    ServedLists,
    Vocabulary,
)
from models.recommend.exploring import BANDIT_KEY, EPSILON, StrategyBandit, weight
from models.recommend.impressions import explored
from models.recommend.kernels.conduct import SUSPICION
from models.recommend.kernels.exploring import EXPLORED_PLACE, NEW_DISCOVERIES
from models.recommend.kernels.scene import Exploring
from models.recommend.pipeline import Pipeline
from models.recommend.tastes import VECTOR_RECORD, VECTOR_VERSION, Tastes
from schemas.impressions import Action, Impression, ShownEntry
from schemas.outputs import STRATEGIES, ListKind
from segue.testing.listening import Listening
from segue.testing.stage_a import play, said

NEAR, NEW, TRENDING = STRATEGIES
LISTENERS = 3000


def world(length: int = 3, *, listeners: int = 0, **rules: Any) -> Listening:
    """Eight neighbours of x, and four trending tracks; the list has three of the neighbours."""
    found = Listening(length, **({"exploration_share": 1.0} | rules))
    found.row("x", 10, None, a=9, b=8, c=7, d=6, e=5, f=4, g=3, h=2)
    found.recommender.set_trending("world", ["p", "q", "r", "h"], [4.0, 3.0, 2.0, 1.0])
    found.trust("together")
    for i in range(listeners):
        found.plays("x", user=f"u{i}")
    return found


def always(found: Listening, strategy: str) -> None:
    """Let every explored entry be drawn by this strategy."""
    chances = [float(each == strategy) for each in STRATEGIES]
    bandit: Any = found.state.bandit  # Any: a method is replaced
    bandit.chances = lambda share: Exploring(share, *chances)


def served(found: Listening) -> list[ServedLists]:
    return found.recommender.recommend(found.state, found.state.all_slots())


def drawn(lists: ServedLists) -> str:
    """The track that was explored; none but in the place for it."""
    tracks, _, sources, _ = lists.discover
    place = min(len(tracks) - 1, EXPLORED_PLACE)
    found = [i for i, source in enumerate(sources) if source in STRATEGIES]
    assert found == ([place] if lists.propensity else [])
    return tracks[place] if found else ""


def test_the_share_of_lists_explored_is_as_configured() -> None:
    share = 0.2
    lists = served(world(listeners=LISTENERS, exploration_share=share))
    found = sum(each.propensity > 0 for each in lists)
    sigma = math.sqrt(LISTENERS * share * (1 - share))
    assert abs(found - LISTENERS * share) < 4 * sigma
    assert not any(source in STRATEGIES for each in lists for source in each.next[2])


def test_every_entry_is_explored_as_often_as_its_propensity_says() -> None:
    found = world(listeners=LISTENERS, exploration_share=0.5)
    found.state.bandit.learn(NEW, is_accepted=True)
    entries = Counter(
        (each.discover[2][-1], drawn(each), each.propensity) for each in served(found)
    )
    entries = Counter({entry: n for entry, n in entries.items() if entry[2]})
    # Neighbours and the popular are candidates: eight that are not in the list, of them four trend.
    expected: dict[str, float] = {NEAR: 0.5 * 0.1 / 8, NEW: 0.5 * 0.8 / 8, TRENDING: 0.5 * 0.1 / 4}
    assert Counter(strategy for strategy, _, _ in entries) == {NEAR: 8, NEW: 8, TRENDING: 4}
    for (strategy, _, propensity), count in entries.items():
        assert propensity == pytest.approx(expected[strategy])
        assert abs(count - LISTENERS * propensity) < 4 * math.sqrt(LISTENERS * propensity)


def test_the_draw_among_tracks_that_fit_is_uniform() -> None:
    found = world(listeners=LISTENERS)
    always(found, NEAR)
    counts = Counter(map(drawn, served(found)))
    assert {*counts} == {*"defghpqr"}
    each = LISTENERS / 8
    assert sum((n - each) ** 2 / each for n in counts.values()) < 24.3  # chi-squared, 1 in 1,000


def test_the_same_state_gives_the_same_list_and_another_play_another() -> None:
    found = world(listeners=50, exploration_share=0.5)
    first, second = served(found), served(found)
    assert [drawn(each) for each in first] == [drawn(each) for each in second]
    restored = ListenerState(found.state.vocabulary)
    for key, value in found.state.changes():
        restored.restore(key, value)
    again = found.recommender.recommend(restored, restored.all_slots())
    assert [*map(comparable, again)] == [*map(comparable, first)]
    for i in range(50):
        found.plays("x", user=f"u{i}")
    after = [drawn(each) for each in served(found)]
    assert after != [drawn(each) for each in first]
    assert "" in after
    assert any(after)


def comparable(lists: ServedLists) -> list[object]:
    return [*lists[:3], lists.next[0], *lists.discover[:1], lists.discover[2], lists.propensity]


def test_what_a_listener_says_draws_anew() -> None:
    found = world(listeners=40)
    before = [drawn(each) for each in served(found)]
    liked = [said("like", "elsewhere", user=f"u{i}", at_ms=1 + i) for i in range(40)]
    found.state.apply_feedback(liked)
    after = served(found)
    order = {each.user_id: drawn(each) for each in after}
    assert [order[f"u{i}"] for i in range(40)] != before


def test_share_0_and_evaluation_give_the_lists_of_before() -> None:
    plain, off, evaluated = (
        world(listeners=200, exploration_share=share, filtered=filtered)
        for share, filtered in ((0.0, True), (0.0, True), (1.0, False))
    )
    always(off, NEAR)
    assert [*map(comparable, served(plain))] == [*map(comparable, served(off))]
    for found in (plain, evaluated):
        assert {each.propensity for each in served(found)} == {0.0}
        assert not {source for each in served(found) for source in each.discover[2]} & {*STRATEGIES}
    assert Pipeline().recommender.scene().rules.exploring.share == 0


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="exploration_share is from 0 to 1"):
        world(exploration_share=share)


def test_the_tenth_entry_is_explored_and_keeps_its_score() -> None:
    found, plain = (world(11, listeners=40, exploration_share=share) for share in (1.0, 0.0))
    for each in (found, plain):
        each.recommender.set_trending("world", ["p", "q", "r", "s", "t"], [5.0, 4.0, 3.0, 2.0, 1.0])
    for after, before in zip(served(found), served(plain), strict=True):
        assert len(before.discover[0]) == 11
        np.testing.assert_array_equal(after.discover[1], before.discover[1])
        if track := drawn(after):
            assert after.discover[0] == [*before.discover[0][:9], track, before.discover[0][10]]
            assert after.discover[3][EXPLORED_PLACE] == -1


def test_nothing_is_explored_where_no_track_fits_or_nothing_was_played() -> None:
    found = world(20, listeners=40)  # the list holds all there is
    assert {each.propensity for each in served(found)} == {0.0}
    newcomer = world()
    newcomer.state.apply_feedback([said("like", "x")])
    assert [each.propensity for each in served(newcomer)] == [0.0]


def test_nothing_blocked_hidden_heard_or_just_played_is_explored() -> None:
    found = world(listeners=200)
    users = [f"u{i}" for i in range(200)]
    for user in users:
        found.plays("d", "x", user=user)
    for kind, track in (("block_track", "e"), ("hide", "p")):
        found.state.apply_feedback([said(kind, track, user=user) for user in users])  # type: ignore[arg-type]
    found.plays("f", "q", user="somebody", artist="Kino")
    found.state.apply_feedback([said("block_artist", artist="Kino", user=user) for user in users])
    tracks = {drawn(each) for each in served(found) if each.user_id != "somebody"}
    assert tracks == {"g", "h", "r"}


def test_explored_tracks_count_for_the_limit_of_an_artist() -> None:
    found = world(listeners=300, artist_tracks_max=1)
    found.plays("a", "d", "p", user="somebody", artist="Abba")
    found.plays("c", "e", user="somebody", artist="Kino")
    lists = [each for each in served(found) if each.user_id != "somebody"]
    assert {tuple(each.discover[0][:2]) for each in lists} == {("a", "b")}
    # c, the last of the three, gives way: a track of its artist may take its place.
    assert {drawn(each) for each in lists} == {*"efghqr"}


def test_new_is_what_hardly_anybody_discovered() -> None:
    found = world(listeners=200)
    rules = {"list_length": 3, "exploration_share": 1.0}
    tastes = Tastes(found.state.vocabulary)
    found.recommender = Recommender(found.state.vocabulary, found.rows, tastes=tastes, **rules)  # type: ignore[arg-type]
    always(found, NEW)
    record = np.zeros((), VECTOR_RECORD)
    record["version"], record["dimensions"] = VECTOR_VERSION, 32
    names, values = [*"defg"], list[bytes]()
    for discoveries in (NEW_DISCOVERIES - 1, NEW_DISCOVERIES, 10**6, 0):
        record["discoveries"] = discoveries
        values.append(record.tobytes())
    assert tastes.apply([name.encode() for name in names], values) == []
    assert {drawn(each) for each in served(found)} == {"d", "g", "h"}


def test_trending_is_what_trends_in_the_listeners_market() -> None:
    found = world()
    found.recommender.set_trending("SE", ["y", "z"], [2.0, 1.0])
    always(found, TRENDING)
    for i in range(40):
        found.plays("x", user=f"u{i}", market="SE" if i % 2 else "JP")
    tracks: dict[bool, set[str]] = {True: set(), False: set()}
    for each in served(found):
        tracks[int(each.user_id[1:]) % 2 == 1].add(drawn(each))
    assert tracks == {True: {"y", "z"}, False: {"p", "q", "r", "h"}}


def test_strategies_are_alike_until_one_is_rewarded_and_then_the_best_leads() -> None:
    bandit, alike = StrategyBandit(), pytest.approx((0.1, 1 / 3, 1 / 3, 1 / 3))
    assert bandit.chances(0.1) == alike
    bandit.learn(NEAR, is_accepted=False)
    assert bandit.chances(0.1) == alike, "a reward of 0 says nothing yet"
    bandit.learn(TRENDING, is_accepted=True)
    others, best = EPSILON / 3, EPSILON / 3 + 1 - EPSILON
    assert bandit.chances(0.1) == pytest.approx((0.1, others, others, best))
    for _ in range(3):
        bandit.learn(TRENDING, is_accepted=False)
    bandit.learn(NEAR, is_accepted=True)
    assert bandit.chances(0.1) == pytest.approx((0.1, best, others, others))


def rewarded() -> StrategyBandit:
    bandit = StrategyBandit()
    for i in range(200):
        bandit.learn(STRATEGIES[i % 3], is_accepted=i % 7 == 0)
    return bandit


def test_a_restored_bandit_goes_on_as_the_first_would_have() -> None:
    original, restored = rewarded(), StrategyBandit()
    ((key, value),) = original.changes()
    assert key == BANDIT_KEY
    assert original.changes() == []
    restored.restore(value)
    assert restored.changes() == []
    for bandit in (original, restored):
        bandit.learn(NEW, is_accepted=True)
    assert restored.chances(0.1) == original.chances(0.1)
    assert restored.changes() == original.changes()
    restored.restore(None)
    assert restored.chances(0.1) == StrategyBandit().chances(0.1)


def test_the_record_is_as_long_after_any_number_of_rewards() -> None:
    ((_, value),) = rewarded().changes()
    assert value is not None
    assert len(value) == 50


def test_the_bandit_is_kept_with_the_listeners() -> None:
    found = world()
    found.state.bandit.learn(NEW, is_accepted=True)
    records = dict(found.state.changes())
    assert BANDIT_KEY in records
    restored = ListenerState(found.state.vocabulary)
    restored.restore(BANDIT_KEY, records[BANDIT_KEY])
    assert restored.bandit.chances(0.1) == found.state.bandit.chances(0.1)
    assert len(restored) == 0


def test_a_record_of_other_strategies_is_left_aside_and_a_broken_one_refused() -> None:
    ((_, value),) = rewarded().changes()
    assert value is not None
    bandit = rewarded()
    bandit.restore(b"\x09" + value[1:])
    assert bandit.chances(0.1) == StrategyBandit().chances(0.1)
    bad_numbers = [(math.nan, 0.0), (1.0, math.inf), (-1.0, 0.0), (1.0, 1.5)]
    broken = [value[:2] + struct.pack("<dd", *pair) + value[18:] for pair in bad_numbers]
    for each in (b"", value[:1], value[:-1], *broken):
        with pytest.raises(ValueError, match="bandit record"):
            bandit.restore(each)


def test_an_echo_weighs_no_more_than_the_rarest_entry_there_is() -> None:
    assert weight(0.01, 0.1) == pytest.approx(100)
    assert weight(1e-300, 0.1) == pytest.approx(1000 / (0.1 * EPSILON / 3))


def shown(user: str, *entries: tuple[str, str, Action], kind: ListKind = "discover") -> Impression:
    found = tuple(ShownEntry(track, 9, action, source, 0.5) for track, source, action in entries)
    return Impression("i", user, kind, "v", 0, found)


def test_one_explored_entry_of_a_discover_list_teaches() -> None:
    state = world(listeners=2).state
    events = [
        shown("u0", ("a", "after", "tapped"), ("b", NEW, "tapped"), ("c", NEW, "tapped")),
        shown("u0", ("d", NEW, "tapped"), kind="next"),
        shown("u1", ("e", NEAR, "dismissed")),
        shown("nobody", ("f", NEW, "tapped")),
    ]
    found = explored(events, state)
    assert [each.entry.track_id for each in found] == ["b", "e"]
    assert [each.cohort for each in found] == [state.arms.cohort(user) for user in ("u0", "u1")]


@pytest.mark.parametrize(("hold", "taught"), [(True, []), (False, ["a"])])
def test_who_is_suspected_teaches_nothing(hold: bool, taught: list[str]) -> None:
    state = ListenerState(Vocabulary(), ListenerLimits(hold_suspicious=hold))
    state.learn([play("x")])
    slot = state.slot("ann")
    assert slot is not None
    state.arrays.conduct[slot, SUSPICION] = 1
    events = [shown("ann", ("a", NEW, "tapped"))]
    assert [each.entry.track_id for each in explored(events, state)] == taught
