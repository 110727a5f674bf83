from __future__ import annotations

import pytest

from models.evaluate.prequential import Prequential
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


def test_what_always_follows_is_always_found() -> None:
    evaluation = Prequential(Pipeline(), lag_plays=1, warmup_plays=30)
    evaluation.step(log(20))
    report = evaluation.report
    assert (report.plays, report.outcomes) == (60, {"applied": 60})
    assert report.scores["new.segue"].rates["hr10"] == 1.0
    assert report.scores["new.segue"].trials == 30
    assert report.scores["all.segue"].rates == report.scores["new.segue"].rates


def test_each_play_is_asked_before_it_is_learned() -> None:
    evaluation = Prequential(Pipeline(), lag_plays=1)
    evaluation.step(log(1))
    assert evaluation.report.scores["all.segue"].hits20 == 0
    assert evaluation.report.scores["all.segue"].trials == 3


def test_repeats_are_asked_of_next_and_not_of_discover() -> None:
    evaluation = Prequential(Pipeline(), lag_plays=1)
    tracks = ["a", "b", "a", "b", "a"]
    plays = [PlayEvent(f"e{i}", "ann", t, T0 + i, 1, 1, "finished") for i, t in enumerate(tracks)]
    evaluation.step(plays)
    assert evaluation.report.scores["new.segue"].trials == 2
    assert evaluation.report.scores["all.segue"].trials == 5
    assert evaluation.report.scores["all.segue"].hits10 == 3


def test_duplicates_are_not_trials() -> None:
    evaluation = Prequential(Pipeline())
    play = log(1)[0]
    evaluation.step([play, play])
    assert evaluation.report.outcomes == {"applied": 1, "duplicate": 1}
    assert evaluation.report.scores["all.segue"].trials == 1


def test_popular_tracks_are_a_baseline_without_those_heard() -> None:
    evaluation = Prequential(Pipeline(), lag_plays=1)
    plays = [PlayEvent(f"a{i}", f"user-{i}", "hit", T0 + i, 1, 1, "finished") for i in range(3)] + [
        PlayEvent(f"b{i}", f"user-{i}", "second", T0 + 9 + i, 1, 1, "finished") for i in range(2)
    ]
    evaluation.step(plays)
    popular = evaluation.report.scores["new.popular"]
    assert (popular.trials, popular.hits10) == (5, 3)
    assert popular.reciprocals == 3.0  # `hit` is out of the way for who has heard it


def test_batches_do_not_matter_but_for_the_lag() -> None:
    plays, reports = log(10), []
    for size in (1, 7, 30):
        evaluation = Prequential(Pipeline(), lag_plays=3)
        for at in range(0, len(plays), size):
            evaluation.step(plays[at : at + size])
        reports.append(evaluation.report.scores["all.segue"])
    assert reports[0] == reports[1] == reports[2]


def test_points_hold_the_rate_since_the_point_before() -> None:
    evaluation = Prequential(Pipeline(), lag_plays=1, point_plays=3)
    evaluation.step(log(3))
    points = evaluation.report.points
    assert [point.plays for point in points] == [3, 6, 9]
    assert points[0].hr10["all.segue"] == 0.0
    assert points[2].hr10["all.segue"] == 1.0


def test_lists_too_short_to_score_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 20"):
        Prequential(Pipeline(list_length=5))


def test_a_score_without_trials_is_zero() -> None:
    assert Score().rates == {"hr10": 0.0, "hr20": 0.0, "mrr20": 0.0}
