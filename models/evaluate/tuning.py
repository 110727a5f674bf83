"""A seeded search over settings of the recommender, on the first part of a log.

Candidates are drawn at random from a grid (Bergstra and Bengio, "Random search for hyper-parameter
optimization", JMLR 2012) and race each other and the settings as they are: all learn the same plays
and are asked the same questions, and at a quarter, at a half and at the end of the part the better
half of them goes on (successive halving: Jamieson and Talwalkar, "Non-stochastic best arm
identification and hyperparameter optimization", AISTATS 2016). What is left is compared with the
settings as they are on the plays after that part, which had no say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Final

from models.evaluate.comparing import Estimate
from models.evaluate.prequential import Prequential
from models.evaluate.scores import DEFAULT, Score
from schemas.events import PlayEvent

__all__ = ["CANDIDATES", "GRID", "TUNED", "Trial", "Tuning", "draw_candidates"]

TUNED: Final = "tuned"
CANDIDATES: Final = 11
GRID: Final[Mapping[str, tuple[float, ...]]] = {
    "session_gap_ms": (300_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000),
    "context_decay": (0.5, 0.65, 0.8, 0.9, 1.0),
    "learning_rate": (0.02, 0.05, 0.1, 0.2, 0.4),
}
"""Settings that are searched, by their names, and the values that are tried."""
_RUNGS: Final = (0.25, 0.5, 1.0)

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """How a candidate did in the last rung it ran: NDCG@20, the mean of both questions."""

    arm: str
    values: Values
    plays: int
    ndcg20: float


def draw_candidates(now: Values, *, count: int = CANDIDATES, seed: int = 0) -> dict[str, Values]:
    """Draw distinct points of the grid other than `now`, by the name of their arm.

    >>> draw_candidates({"session_gap_ms": 1_800_000}, count=1, seed=1)
    {'candidate-1': {'session_gap_ms': 900000, 'context_decay': 0.65, 'learning_rate': 0.4}}
    """
    points = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    drawn = Random(seed).sample([point for point in points if point != now], count)
    return {f"candidate-{number}": point for number, point in enumerate(drawn, start=1)}


@dataclass(slots=True)
class Tuning:
    """Steps an evaluation through a log, and halves its candidates until `plays` were learned.

    `evaluation` has an arm `default` and one for each of `candidates`. After `plays`, and if a
    candidate did best, its arm is called `tuned` and `chosen` holds its values; scores begin anew.
    """

    evaluation: Prequential
    candidates: dict[str, Values]
    plays: int
    chosen: Values | None = None
    trials: list[Trial] = field(default_factory=list)

    def difference(self, question: str) -> Estimate | None:
        """How much more HR@10 `tuned` has than the settings as they are; None without either."""
        if self.chosen is None:
            return None
        return self.evaluation.report.paired.more(TUNED, DEFAULT, question)

    def step(self, plays: Sequence[PlayEvent]) -> None:
        """Ask and learn some plays, in order."""
        start = 0
        while start < len(plays):
            done = self.evaluation.report.plays
            rungs = [rung for share in _RUNGS if (rung := round(share * self.plays)) > done]
            run = plays[start : start + rungs[0] - done] if rungs else plays[start:]
            self.evaluation.step(run)
            start += len(run)
            if rungs and done + len(run) == rungs[0]:
                self._halve(last=len(rungs) == 1)

    def _halve(self, *, last: bool) -> None:
        """Let the better half go on; at the end only the best, if it is better than what is."""
        scores = self.evaluation.report.scores
        values = {arm: _ndcg20(scores[arm]) for arm in (DEFAULT, *self.candidates)}
        best = sorted(self.candidates, key=lambda arm: -values[arm])
        kept = best[: 1 if last else (len(best) + 1) // 2]
        if last and values[kept[0]] <= values[DEFAULT]:
            kept = []
        done = self.evaluation.report.plays
        gone = best if last else best[len(kept) :]
        self.trials[:0] = [Trial(arm, self.candidates[arm], done, values[arm]) for arm in gone]
        others = [arm for arm in self.evaluation.pipelines if arm not in self.candidates]
        self.candidates = {arm: self.candidates[arm] for arm in kept}
        if not last:
            self.evaluation.keep({arm: arm for arm in (*others, *kept)})
            return
        self.trials.insert(0, Trial(DEFAULT, {}, done, values[DEFAULT]))
        self.evaluation.keep({arm: arm for arm in others} | dict.fromkeys(kept, TUNED))
        if kept:
            self.chosen = self.candidates[kept[0]]


def _ndcg20(asked: Mapping[str, Score]) -> float:
    return sum(score.rates["ndcg@20"] for score in asked.values()) / len(asked)
