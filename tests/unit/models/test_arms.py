"""Listeners are split as configured, the same everywhere; an arm's rules make its lists."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.recommend import ListenerState, Vocabulary
from models.recommend.arms import WHOLE, Arms
from models.recommend.kernels.listener import COHORTS
from models.recommend.rankers import RANKER_KEY
from segue.testing.listening import Listening

SHARES = {"default": 8_950, "without-artist": 1_000, "popular": 50}


def chi_square(counts: Counter[int], expected: dict[int, float]) -> float:
    return sum((counts[key] - wanted) ** 2 / wanted for key, wanted in expected.items())


def test_listeners_are_split_as_configured_and_evenly_into_cohorts() -> None:
    arms = Arms(SHARES, salt="spring")
    count = 200_000
    cells = [arms.cell(f"listener-{i}") for i in range(count)]
    by_arm = Counter(cell // COHORTS for cell in cells)
    expected = {arm: count * share / WHOLE for arm, share in enumerate(SHARES.values())}
    assert chi_square(by_arm, expected) < 13.8  # exceeded once in a thousand salts
    by_cohort = Counter(cell % COHORTS for cell in cells)
    assert chi_square(by_cohort, dict.fromkeys(range(COHORTS), count / COHORTS)) < 37.7


def test_arm_of_a_listener_is_written_in_stone() -> None:
    arms = Arms({"default": 5_000, "popular": 5_000})
    named = "".join(arms.name(arms.cell(f"u{i}"))[0] for i in range(24))
    assert named == "dppdppppdddpppppddpdppdp"


def test_another_salt_draws_anew_and_independently() -> None:
    one, two = (Arms({"default": 5_000, "popular": 5_000}, salt=salt) for salt in ("a", "b"))
    users = [f"u{i}" for i in range(20_000)]
    same = sum(one.name(one.cell(user)) == two.name(two.cell(user)) for user in users)
    assert same / len(users) == pytest.approx(0.5, abs=0.015)


def test_growing_an_arm_moves_nobody_out_of_it() -> None:
    small = Arms({"popular": 1_000, "default": 9_000})
    large = Arms({"popular": 2_000, "default": 8_000})
    users = [f"u{i}" for i in range(5_000)]
    before = {user for user in users if small.name(small.cell(user)) == "popular"}
    after = {user for user in users if large.name(large.cell(user)) == "popular"}
    assert before < after


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"default": 9_000}, "sum to"),
        ({"default": WHOLE, "popular": 0}, "positive"),
        ({"defualt": WHOLE}, "no arm is called 'defualt'; there are default, popular"),
        (
            {"default": 9_000, "biased-mf": 1_000},
            "biased-mf is for `segue replay` only: no lists are served by it; there are default",
        ),
    ],
)
def test_wrong_arms_are_refused(shares: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Arms(shares)


def test_lists_are_made_by_the_rules_of_the_listeners_arm() -> None:
    arms = Arms({"default": 3_300, "without-artist": 3_300, "popular": 3_400})
    world = Listening(arms=arms)
    world.recommender.set_trending("world", ["hit"], [1.0])
    world.row("\x01kino", 9, song=7)
    users = [f"u{i}" for i in range(40)]
    for user in users:
        world.plays("now", user=user, artist="Kino")
    world.row("now", 1, other=5)
    served = world.recommender.recommend(world.state, world.state.all_slots())
    assert [each.user_id for each in served] == users
    expected = {
        "default": {"other", "song", "hit"},
        "without-artist": {"other", "hit"},
        "popular": {"hit"},
    }
    for each in served:
        assert each.arm == arms.name(arms.cell(each.user_id))
        assert {*each.next[0]} == {*each.discover[0]} == expected[each.arm]
    assert {each.arm for each in served} == {*expected}


def test_each_arms_rankers_learn_from_every_play_what_their_own_lists_hold() -> None:
    both = Arms({"default": 5_000, "without-artist": 5_000})
    worlds = [Listening(arms=arms) for arms in (both, Arms(), Arms({"without-artist": WHOLE}))]
    for world in worlds:
        world.row("\x01kino", 9, song=7, other=2)
        world.row("now", 3, other=5, more=4)
        for i, track in enumerate(("song", "other", "more", "song", "other") * 4):
            world.plays("now", user=f"u{i}", artist="Kino")
            world.plays(track, user=f"u{i}", trained=True)
    mixed, default, without = (world.state.rankers.of_arm for world in worlds)
    for found, alone in ((mixed[0], default[0]), (mixed[1], without[0])):
        assert found.trained.tolist() == alone.trained.tolist()
        np.testing.assert_array_equal(found.weights, alone.weights)
    assert mixed[0].trained.sum() > mixed[1].trained.sum() > 0


def test_rankers_of_each_arm_are_restored_under_their_names() -> None:
    arms = Arms({"default": 5_000, "without-artist": 5_000})
    world = Listening(arms=arms)
    world.row("now", 3, other=5, more=4)
    for i in range(3):
        world.plays("now", "other", user=f"u{i}", trained=True)
    records = dict(world.state.changes())
    kept = {key for key in records if key.startswith(RANKER_KEY)}
    assert kept == {RANKER_KEY, RANKER_KEY + b":without-artist"}
    turned = Arms({"popular": 1_000, "without-artist": 9_000})
    restored = ListenerState(Vocabulary(), arms=turned)
    for key, value in records.items():
        restored.restore(key, value)
    popular, without = restored.rankers.of_arm
    original = world.state.rankers.of_arm[1]
    assert without.weights.tobytes() == original.weights.tobytes()
    assert without.squares.tobytes() == original.squares.tobytes()
    assert without.trained.tolist() == original.trained.tolist() != [0, 0]
    assert popular.trained.tolist() == [0, 0]
    assert restored.changes() == []


def test_plays_are_scored_for_the_cell_of_their_listener() -> None:
    arms = Arms({"default": 5_000, "popular": 5_000})
    world = Listening(arms=arms)
    world.recommender.set_trending("world", ["hit"], [1.0])
    world.row("now", 1, other=5)
    users = [f"u{i}" for i in range(12)]
    for user in users:
        world.plays("now", user=user)
    world.recommender.recommend(world.state, world.state.all_slots())
    for user in users:
        world.plays("other", user=user, trained=True)
    trials, hits = world.state.drain_scores()[:, 0, :2].T
    expected = Counter(arms.cell(user) for user in users)
    assert {cell: trials[cell] for cell in np.flatnonzero(trials)} == expected
    assert {arms.name(int(cell)) for cell in np.flatnonzero(hits)} == {"default"}
    assert not world.state.drain_scores().any()
