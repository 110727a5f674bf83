from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.evaluate.prequential import Prequential, Sample
from models.evaluate.scores import Score
from models.recommend.pipeline import Pipeline
from schemas.events import PlayEvent

T0 = 1_700_000_000_000


def log(sessions: int) -> list[PlayEvent]:
    """Listeners who each play the same three tracks in the same order."""
    return [
        PlayEvent(f"{n}-{i}", f"user-{n}", f"track-{i}", T0 + 10 * n + i, 1, 1, "finished")
        for n in range(sessions)
        for i in range(3)
    ]


def one_listener(tracks: Sequence[str]) -> list[PlayEvent]:
    return [PlayEvent(f"e{i}", "ann", t, T0 + i, 1, 1, "finished") for i, t in enumerate(tracks)]


def evaluated(plays: Sequence[PlayEvent], evaluation: Prequential | None = None) -> Prequential:
    """Step through plays at once, live unless said otherwise."""
    evaluation = evaluation or Prequential({"default": Pipeline(filtered=False)}, lag_plays=0)
    evaluation.step(plays)
    return evaluation


def default(evaluation: Prequential, question: str) -> Score:
    return evaluation.report.scores["default"][question]


def test_what_always_follows_is_always_found() -> None:
    evaluation = evaluated(
        log(20), Prequential({"default": Pipeline()}, lag_plays=0, sample=Sample(30))
    )
    assert (evaluation.report.plays, evaluation.report.outcomes) == (60, {"applied": 60})
    assert default(evaluation, "new").rates["hr@10"] == 1.0
    assert default(evaluation, "new").trials == 30
    assert default(evaluation, "any").rates == default(evaluation, "new").rates


def test_each_play_is_asked_before_it_is_learned() -> None:
    score = default(evaluated(log(1)), "any")
    assert (score.hits20, score.trials) == (0, 3)


def test_repeats_are_asked_of_next_and_not_of_discover() -> None:
    evaluation = evaluated(one_listener("ababa"))
    assert default(evaluation, "new").trials == 2
    assert (default(evaluation, "any").trials, default(evaluation, "any").hits10) == (5, 3)


def test_the_track_just_played_may_come_again_where_nothing_is_filtered() -> None:
    plays = one_listener("abbbb")
    assert default(evaluated(plays), "any").hits10 == 3
    filtered = evaluated(plays, Prequential({"default": Pipeline()}, lag_plays=0))
    assert default(filtered, "any").hits10 == 0


def test_new_is_what_the_listener_never_played_however_long_ago() -> None:
    tracks = ["first", *(f"t{n}" for n in range(300)), "first"]
    assert default(evaluated(one_listener(tracks)), "new").trials == 301


def test_duplicates_are_not_trials() -> None:
    play = log(1)[0]
    evaluation = evaluated([play, play])
    assert evaluation.report.outcomes == {"applied": 1, "duplicate": 1}
    assert default(evaluation, "any").trials == 1


def test_popular_tracks_are_a_baseline_without_those_played() -> None:
    plays = [PlayEvent(f"a{i}", f"user-{i}", "hit", T0 + i, 1, 1, "finished") for i in range(3)] + [
        PlayEvent(f"b{i}", f"user-{i}", "second", T0 + 9 + i, 1, 1, "finished") for i in range(2)
    ]
    popular = evaluated(plays).report.scores["popular"]["new"]
    assert (popular.trials, popular.hits10) == (5, 3)
    assert popular.reciprocals == 3.0  # `hit` is out of the way for who has played it


def test_batches_do_not_matter() -> None:
    plays, scores = log(10), []
    for size in (1, 7, 30):
        evaluation = Prequential({"default": Pipeline()}, lag_plays=9)
        for at in range(0, len(plays), size):
            evaluation.step(plays[at : at + size])
        scores.append(default(evaluation, "any"))
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.parametrize(("lag", "found"), [(0, 1), (2, 1), (3, 1), (8, 0), (40, 0)])
def test_others_see_a_play_after_the_lag(lag: int, found: int) -> None:
    """A pair is played, some plays pass, and then somebody plays its first half."""
    plays = [*one_listener("ab"), *(p for n in range(2) for p in _alone(n)), *_alone(9, "ab")]
    evaluation = evaluated(
        plays, Prequential({"default": Pipeline()}, lag_plays=lag, sample=Sample(5))
    )
    assert default(evaluation, "new").hits10 == found
    assert default(evaluation, "new").trials == 1


def _alone(number: int, tracks: str = "z") -> list[PlayEvent]:
    return [
        PlayEvent(f"{number}{t}", f"user-{number}", t, T0 + 100 + i, 1, 1, "finished")
        for i, t in enumerate(tracks)
    ]


def test_a_sample_is_drawn_from_what_follows_the_warm_up_and_repeats_under_its_seed() -> None:
    samples = [Sample.of(100, start=40, size=10, seed=seed) for seed in (1, 1, 2)]
    assert samples[0] == samples[1] != samples[2]
    numbers = [n for n in range(100) if n in samples[0]]
    assert len(numbers) == 10 and min(numbers) >= 40
    everything = Sample.of(100, start=40, size=1000, seed=1)
    assert [n for n in range(100) if n in everything] == [*range(40, 100)]


def test_plays_outside_the_sample_are_learned_and_not_asked() -> None:
    sample = Sample.of(60, start=30, size=7, seed=3)
    evaluation = evaluated(
        log(20), Prequential({"default": Pipeline()}, lag_plays=0, sample=sample)
    )
    assert evaluation.report.outcomes == {"applied": 60}
    assert (default(evaluation, "any").trials, default(evaluation, "any").hits10) == (7, 7)


def test_points_hold_the_rate_since_the_point_before() -> None:
    points = evaluated(
        log(3), Prequential({"default": Pipeline()}, lag_plays=0, point_plays=3)
    ).report.points
    assert [point.plays for point in points] == [3, 6, 9]
    assert points[0].hr10["default"]["any"] == 0.0
    assert points[2].hr10["default"]["any"] == 1.0


def test_there_is_no_point_where_nothing_was_asked() -> None:
    sample = Sample(start=5)
    evaluation = Prequential({"default": Pipeline()}, lag_plays=0, point_plays=3, sample=sample)
    assert [point.plays for point in evaluated(log(4), evaluation).report.points] == [6, 9, 12]


def test_each_arm_is_a_pipeline_of_its_own() -> None:
    pipelines = {
        "default": Pipeline(filtered=False),
        "without-again": Pipeline(filtered=False, without="again"),
    }
    evaluation = Prequential(pipelines, popular=False, lag_plays=0)
    evaluated(one_listener("ab" + "xyz" * 8), evaluation)
    scores = evaluation.report.scores
    assert [*scores] == ["default", "without-again"]
    assert scores["default"]["any"].trials == scores["without-again"]["any"].trials == 26
    rankers = [each.listeners.ranker.weights for each in pipelines.values()]
    again = slice(12, 15)
    assert rankers[0][0, again].any() and not rankers[1][:, again].any()


def test_lists_too_short_to_score_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 20"):
        Prequential({"default": Pipeline(list_length=5)})


def test_a_score_without_trials_is_zero() -> None:
    assert Score().rates == {"hr@10": 0.0, "hr@20": 0.0, "mrr@20": 0.0, "ndcg@20": 0.0}
