"""River's factorisation as a baseline: what it learns, when, and where it ranks a play."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from models.evaluate.biased_mf import BiasedMf
from models.evaluate.lagged import Lagged
from models.evaluate.prequential import Prequential, Sample
from models.recommend.pipeline import Pipeline
from schemas.events import PlayEvent

T0 = 1_700_000_000_000


class Notes:
    """A baseline that notes what it learns and is asked; every known track stands at place 0."""

    def __init__(self) -> None:
        self.learned: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str, set[str], int]] = []

    def learn(self, user: str, track: str) -> None:
        self.learned.append((user, track))

    def knows(self, user: str) -> bool:
        return any(user == each for each, _ in self.learned)

    def rank(self, user: str, track: str, *, without: Iterable[str] = ()) -> int | None:
        self.asked.append((user, track, {*without}, len(self.learned)))
        return 0 if any(track == each for _, each in self.learned) else None


def plays(*pairs: str) -> list[PlayEvent]:
    """From `user:track` in the order of time."""
    return [
        PlayEvent(f"e{i}", user, track, T0 + i, 1, 1, "finished")
        for i, (user, track) in enumerate(pair.split(":") for pair in pairs)
    ]


def noted(
    events: Sequence[PlayEvent], *, lag: int = 0, start: int = 0
) -> tuple[Notes, Prequential]:
    notes = Notes()
    evaluation = Prequential(
        {"default": Pipeline(filtered=False)},
        baselines={"notes": notes},
        lag_plays=lag,
        sample=Sample(start),
    )
    evaluation.step(events)
    return notes, evaluation


def test_scores_are_those_of_river_but_for_what_is_the_same_for_all_tracks() -> None:
    rng, model = np.random.default_rng(3), BiasedMf[int](seed=3)
    for user, track in rng.integers((20, 3_000), size=(4_000, 2)).tolist():
        model.learn(user, track)
    river = model._model
    assert len(model.tracks) > 1_024, "the arrays had to grow"
    for user in range(3):
        predicted = [river.predict_one(user, number) for number in range(len(model.tracks))]
        same = river.global_mean.get() + river.u_biases[user]
        assert model.scores(user) == pytest.approx(np.array(predicted) - same)


def test_rank_counts_the_better_tracks_but_those_left_out() -> None:
    model = BiasedMf[str](seed=5)
    for number in range(300):
        model.learn(f"u{number % 7}", f"t{number % 11}")
    best_first = [model.tracks[n] for n in np.argsort(-model.scores("u0"))]
    assert [model.rank("u0", track) for track in best_first] == [*range(11)]
    heard = best_first[:3]
    assert model.rank("u0", best_first[5], without=[*heard, "never played"]) == 2
    assert model.rank("u0", "never played") is None


def test_rank_is_that_of_the_listener_who_is_asked_about_and_of_what_was_learned_last() -> None:
    model = BiasedMf[str](seed=8)
    for _ in range(300):
        model.learn("ann", "a")
        model.learn("bob", "b")
    assert (model.rank("ann", "a"), model.rank("bob", "a"), model.rank("ann", "b")) == (0, 1, 1)
    for _ in range(600):
        model.learn("ann", "b")
    assert (model.rank("ann", "b"), model.rank("ann", "a")) == (0, 1)


def test_listener_is_known_once_a_play_of_theirs_was_learned() -> None:
    model = BiasedMf[str]()
    assert not model.knows("ann")
    model.learn("ann", "song")
    assert model.knows("ann") and not model.knows("bob")


def test_each_play_is_learned_with_three_that_were_not_chosen() -> None:
    model = BiasedMf[str]()
    for count, total in ((1, 1), (2, 5), (3, 9)):
        model.learn("ann", f"t{count}")
        assert model._model.global_mean.n == total
    assert model._model.global_mean.get() == pytest.approx(3 / 9)


@pytest.mark.parametrize(("lag", "known"), [(0, 3), (1, 3), (2, 2), (3, 1), (9, 0)])
def test_others_plays_are_learned_when_the_lag_is_over(lag: int, known: int) -> None:
    lagged = Lagged(Notes(), lag_plays=lag)
    for number in range(3):
        lagged.catch_up(number, f"u{number}")
        lagged.add(number, f"u{number}", "song")
    lagged.catch_up(3, "u3")
    assert isinstance(lagged.model, Notes)
    assert lagged.model.learned == [(f"u{n}", "song") for n in range(known)]


def test_listeners_own_plays_are_never_behind() -> None:
    notes, _ = noted(plays("ann:a", "bob:b", "ann:c", "ann:d"), lag=100)
    assert notes.learned == [("ann", "a"), ("ann", "c")]
    assert [each[-1] for each in notes.asked if each[1] == "d"] == [2, 2]


def test_baseline_is_asked_the_same_plays_before_it_learns_them() -> None:
    notes, evaluation = noted(plays("ann:a", "bob:b", "ann:b", "ann:b", "bob:z"), start=1)
    # Bob's first play is asked of the popular tracks, as in every arm.
    assert notes.asked == [
        ("ann", "b", {"a"}, 2),
        ("ann", "b", set(), 2),
        ("ann", "b", set(), 3),
        ("bob", "z", {"b"}, 4),
        ("bob", "z", set(), 4),
    ]
    scores = evaluation.report.scores
    for question, trials, hits in (("new", 3, 1), ("any", 4, 2)):
        assert scores["notes"][question].trials == scores["default"][question].trials == trials
        assert scores["notes"][question].hits10 == hits


def test_what_is_no_trial_is_not_learned() -> None:
    first, *_ = events = plays("ann:a", "ann:b", "ann:c")
    skipped = PlayEvent("e9", "ann", "x", T0 + 9, 0, 200_000, "skipped")
    notes, _ = noted([first, first, skipped, *events[1:]])
    assert notes.learned == [("ann", "a"), ("ann", "b")]


def test_batches_do_not_matter_to_a_baseline() -> None:
    events = plays(*(f"u{n % 5}:t{n % 7}" for n in range(60)))
    found = []
    for size in (1, 7, 60):
        model = BiasedMf[str](seed=2)
        evaluation = Prequential({"default": Pipeline()}, baselines={"mf": model}, lag_plays=9)
        for at in range(0, len(events), size):
            evaluation.step(events[at : at + size])
        found.append((evaluation.report.scores["mf"], model.scores("u0").tolist()))
    assert found[0] == found[1] == found[2]


def test_arms_that_are_dropped_leave_the_baselines() -> None:
    events = plays(*(f"u{n % 5}:t{n % 7}" for n in range(60)))
    pipelines = {"default": Pipeline(), "candidate": Pipeline()}
    baselines = {"mf": BiasedMf[str]()}
    evaluation = Prequential(pipelines, baselines=baselines, lag_plays=9, point_plays=15)
    evaluation.step(events[:30])
    assert {*evaluation.report.points[0].hr10} == {"default", "candidate", "popular", "mf"}
    evaluation.keep({"default": "default"})
    evaluation.step(events[30:])
    assert [*evaluation.report.scores] == ["default", "popular", "mf"]
    assert {scores["any"].trials for scores in evaluation.report.scores.values()} == {30}


def test_river_is_imported_by_who_makes_the_model_and_not_before() -> None:
    code = """if True:
        import sys, models.evaluate.biased_mf as module
        before = "river" in sys.modules
        module.BiasedMf()
        print(before, "river" in sys.modules, "numba" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"], "peers' environment has no numba"
