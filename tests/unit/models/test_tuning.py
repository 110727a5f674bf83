from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.evaluate.prequential import Prequential
from models.evaluate.tuning import GRID, TUNED, Tuning, draw_candidates
from models.recommend.kernels.scene import Rates
from models.recommend.listener_memory import ListenerLimits
from models.recommend.pipeline import Pipeline
from schemas.events import PlayEvent

T0, HOUR_MS = 1_700_000_000_000, 3_600_000
NOW = {"session_gap_ms": 1_800_000, "context_decay": 0.8, "learning_rate": 0.05}
GROUPS, TRACKS = 40, 4


def slow_listeners(count: int, *, groups: int = GROUPS) -> list[PlayEvent]:
    """Listeners who play the four tracks of their group, one an hour: other groups are no help."""
    return [
        PlayEvent(
            f"{n}-{i}",
            f"user-{n}",
            f"track-{n % groups}-{i}",
            T0 + 5 * n * HOUR_MS + i * HOUR_MS,
            200_000,
            200_000,
            "finished",
        )
        for n in range(count)
        for i in range(TRACKS)
    ]


def pipeline(values: dict[str, float]) -> Pipeline:
    limits = ListenerLimits(session_gap_ms=int(values["session_gap_ms"]))
    rates = Rates(values["context_decay"], values["learning_rate"])
    return Pipeline(limits, filtered=False, rates=rates)


def tuned(plays: Sequence[PlayEvent], *, part: int, seed: int = 0) -> Tuning:
    candidates = draw_candidates(NOW, count=5, seed=seed)
    arms = {"default": NOW} | {arm: dict(values) for arm, values in candidates.items()}
    evaluation = Prequential({arm: pipeline(arms[arm]) for arm in arms}, lag_plays=0)
    tuning = Tuning(evaluation, candidates, part)
    for at in range(0, len(plays), 97):
        tuning.step(plays[at : at + 97])
    return tuning


def test_a_gap_that_keeps_sessions_whole_is_found_and_is_better_on_plays_after() -> None:
    tuning = tuned(slow_listeners(240), part=480)
    assert tuning.chosen is not None
    assert tuning.chosen["session_gap_ms"] >= HOUR_MS
    found, shown = tuning.difference("new"), tuning.evaluation.report.scores
    assert found is not None
    assert shown[TUNED]["new"].trials == 480
    assert found.value > 0.5 and found.margin < 0.05, "listeners of this log are all alike"
    rates = [shown[arm]["new"].rates["hr@10"] for arm in (TUNED, "default")]
    assert found.value == pytest.approx(rates[0] - rates[1])


def test_plays_after_the_part_have_no_say() -> None:
    plays = slow_listeners(240)
    other = plays[:480] + slow_listeners(240, groups=3)[480:]
    one, two = tuned(plays, part=480), tuned(other, part=480)
    assert (one.chosen, one.trials) == (two.chosen, two.trials)
    assert one.difference("new") != two.difference("new")


def test_candidates_are_halved_and_each_is_told_as_it_was_last() -> None:
    tuning = tuned(slow_listeners(160), part=480)
    assert [trial.plays for trial in tuning.trials] == [480, 480, 480, 240, 120, 120]
    assert tuning.trials[0].values == {}
    assert {trial.arm for trial in tuning.trials} == {
        "default",
        *(f"candidate-{number}" for number in range(1, 6)),
    }
    best = max(tuning.trials[1:3], key=lambda trial: trial.ndcg20)
    assert best.values == tuning.chosen
    assert [*tuning.evaluation.pipelines] == ["default", TUNED]


def test_settings_that_do_best_stay() -> None:
    """One track for ever: whatever the settings, it is first, so none is better."""
    plays = [
        PlayEvent(f"e{i}", "ann", "song", T0 + i, 200_000, 200_000, "finished") for i in range(80)
    ]
    tuning = tuned(plays, part=40)
    assert tuning.chosen is None
    assert [*tuning.evaluation.pipelines] == ["default"]
    assert tuning.difference("any") is None


def test_equal_seeds_draw_equal_candidates_and_none_is_what_is_set() -> None:
    every = 1
    for values in GRID.values():
        every *= len(values)
    drawn = draw_candidates(NOW, count=every - 1, seed=3)
    assert NOW not in drawn.values()
    assert len({tuple(values.items()) for values in drawn.values()}) == every - 1
    assert draw_candidates(NOW, seed=4) == draw_candidates(NOW, seed=4)
    assert draw_candidates(NOW, seed=4) != draw_candidates(NOW, seed=5)
