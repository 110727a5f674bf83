"""How good answers are: right recordings, with and without false positives held down; offsets;
false alerts; how true the probabilities are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.disguises.queries import Truth
from bench.fingerprinters.system import Answer

__all__ = [
    "FALSE_POSITIVES",
    "OFFSET_WITHIN_S",
    "Alerts",
    "Cell",
    "alerts",
    "calibration_error",
    "scored",
    "threshold",
]

FALSE_POSITIVES: Final = 0.01
OFFSET_WITHIN_S: Final = 0.5
_BINS: Final = 15


class Cell(NamedTuple):
    """A condition at a length: counts of queries, of right recordings, of those whose score beats
    99 % of foreign queries, and of right offsets among the right recordings."""

    queries: int
    right: int
    sure: int
    offsets: int

    @property
    def top1(self) -> float:
        """Right recordings in a hundred."""
        return 100.0 * self.right / self.queries

    @property
    def top1_sure(self) -> float:
        """Right recordings at 1 % false positives, in a hundred."""
        return 100.0 * self.sure / self.queries


def threshold(foreign: Sequence[Answer], share: float = FALSE_POSITIVES) -> float:
    """The score that at most this share of foreign queries exceeds.

    >>> answers = [Answer(0, 0.0, float(score)) for score in range(1, 201)]
    >>> threshold(answers)
    198.0
    """
    scores = sorted((_score(answer) for answer in foreign), reverse=True)
    return scores[int(share * len(scores))]


def scored(truths: Sequence[Truth], answers: Sequence[Answer], above: float) -> Cell:
    """Count; a score must exceed `above` to be sure."""
    right = [truth.reference == each.reference for truth, each in _pairs(truths, answers)]
    sure = sum(ok and each.score > above for ok, each in zip(right, answers, strict=True))
    offsets = sum(
        ok and min(abs(each.offset_s - offset_s) for offset_s in truth.offsets_s) <= OFFSET_WITHIN_S
        for ok, (truth, each) in zip(right, _pairs(truths, answers), strict=True)
    )
    return Cell(len(truths), sum(right), sure, offsets)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Foreign windows, and how many of them, by kind, would have raised an alert."""

    windows: int
    false: dict[str, int]

    @property
    def percent(self) -> float:
        """False alerts in a hundred windows."""
        return 100.0 * sum(self.false.values()) / self.windows


def alerts(answers: Sequence[Answer], kinds: Sequence[str], probability: float) -> Alerts:
    """False alerts at the probability from which a system raises one."""
    false = dict.fromkeys(sorted(set(kinds)), 0)
    for answer, kind in zip(answers, kinds, strict=True):
        false[kind] += answer.probability is not None and answer.probability >= probability
    return Alerts(len(answers), false)


def calibration_error(
    probabilities: Sequence[float] | NDArray[np.float64],
    right: Sequence[bool] | NDArray[np.bool_],
    bins: int = _BINS,
) -> float:
    """Expected calibration error over bins that hold equally many answers.

    The mean distance, weighted by answers, of a bin's mean probability from its share of right
    ones (Naeini et al., 2015).

    >>> calibration_error([0.9] * 10, [True] * 8 + [False] * 2, bins=1)
    0.1
    """
    said, true = np.asarray(probabilities, np.float64), np.asarray(right, np.float64)
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    distances = [abs(said[part].mean() - true[part].mean()) * len(part) for part in parts]
    return float(sum(distances) / len(order))


def _pairs(truths: Sequence[Truth], answers: Sequence[Answer]) -> list[tuple[Truth, Answer]]:
    return list(zip(truths, answers, strict=True))


def _score(answer: Answer) -> float:
    return answer.score if answer.reference >= 0 else float("-inf")
