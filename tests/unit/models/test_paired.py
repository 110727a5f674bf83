"""HR@10 of arms on the same plays: how sure it is, and how sure their difference."""

from __future__ import annotations

import math
import random

import pytest
from river import stats

from models.evaluate.paired import Paired
from models.evaluate.scores import Ranks


def ranks(default: int | None, other: int | None, *questions: str) -> Ranks:
    names = questions or ("new", "any")
    return {"default": dict.fromkeys(names, default), "other": dict.fromkeys(names, other)}


def test_a_hit_is_one_of_the_first_ten_places_of_an_arm_and_a_question() -> None:
    found = Paired(["default", "other"])
    found.add("ann", ranks(9, 10))
    found.add("bob", ranks(None, 0))
    found.add("cid", ranks(3, 4, "any"))
    values = {
        (arm, question): estimate.value
        for arm in ("default", "other")
        for question in ("new", "any")
        if (estimate := found.hr10(arm, question)) is not None
    }
    assert values == {
        ("default", "new"): 1 / 2,
        ("default", "any"): 2 / 3,
        ("other", "new"): 1 / 2,
        ("other", "any"): 2 / 3,
    }
    more = found.more("other", "default", "any")
    assert more is not None and (more.value, more.margin) == (0.0, math.inf)


def test_without_trials_nothing_is_said() -> None:
    found = Paired(["default", "other"])
    assert found.hr10("default", "any") is None
    assert found.more("other", "default", "any") is None


def test_what_is_hard_for_both_arms_is_no_part_of_their_difference() -> None:
    """Listeners differ a lot; in one play of 50 the other arm finds what the first does not."""
    rng, found = random.Random(4), Paired(["default", "other"])
    for listener in range(400):
        rate = rng.random()
        for _ in range(25):
            hit = 0 if rng.random() < rate else None
            found.add(f"u{listener}", ranks(hit, 0 if rng.random() < 0.02 else hit))
    own, more = found.hr10("default", "any"), found.more("other", "default", "any")
    assert own is not None and more is not None
    assert more.margin < own.margin / 5
    assert more.low > 0, "a difference smaller than the interval of a rate is seen"


def test_interval_of_a_difference_holds_the_truth_where_that_of_plays_does_not() -> None:
    """Some listeners are better off with one arm, some with the other; in the mean nobody is."""
    seed = 6
    rng = random.Random(seed)
    runs, held, naive_held = 200, 0, 0
    for run in range(runs):
        found, naive = Paired(["default", "other"]), stats.SEM()
        for listener in range(160):
            rates = rng.random(), rng.random()
            for _ in range(15):
                mine, its = (rng.random() < rate for rate in rates)
                found.add(f"{run}-{listener}", ranks(0 if its else None, 0 if mine else None))
                naive.update(mine - its)
        more = found.more("other", "default", "any")
        assert more is not None
        held += more.low <= 0 <= more.high
        error = naive.get()
        assert error is not None
        naive_held += abs(naive.mean.get()) <= 1.96 * error
    assert held / runs == pytest.approx(0.95, abs=0.04), f"seed {seed}"
    assert naive_held / runs < 0.85, "what taking plays for independent would give"
