"""What speaks for an alignment, and how probable that makes it.

A segment is the stretch of a query in which windows are more like the reference than chance; of it
count how alike they are, how many of its spectral peaks the reference has, and how long it is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "PROBABILITY_MIN", "Calibration", "Evidence", "best_stretch", "shipped"]

_WORTH: Final = 0.3
"""Likeness of a window above which it speaks for a match rather than against it."""
_FITTED_S: Final = 8.0
"""Seconds of the longest segments that a calibration is fitted on: longer ones are as sure as they,
as what was fitted says nothing of them."""
_OF_TYPICAL: Final = 0.6
_CHANCE: Final = 0.055
"""Share of peaks that meet by chance: 9 cells around each, 23 peaks a second in 118 bins."""
FEATURES: Final = ("1", "likeness", "peaks", "likeness sqrt(s)", "peaks sqrt(s)", "log(s)")


PROBABILITY_MIN: Final = 0.97
"""Of a match that is told, unless another is asked for."""


class Evidence(NamedTuple):
    """Of a segment: its seconds, the mean likeness of its windows, and how its peaks met."""

    seconds: float
    likeness: float
    peak_hits: int
    peak_count: int

    def features(self) -> NDArray[np.float64]:
        """The numbers (6) that `FEATURES` names."""
        # A little of chance is added, so that three peaks of four are not worth thirty of forty.
        met = (self.peak_hits + 2 * _CHANCE) / (self.peak_count + 2) - _CHANCE
        seconds = min(self.seconds, _FITTED_S)
        root = math.sqrt(seconds)
        return np.array(
            [1.0, self.likeness, met, self.likeness * root, met * root, math.log(seconds)]
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logistic regression of "it is this recording" on what speaks for it (Platt, 1999).

    It was fitted on an index of `vector_count`. In one of n times as many there are n times as many
    that are alike by chance, so the odds are n times less.
    """

    weights: tuple[float, ...]
    vector_count: int
    encoder: str = ""
    """The identity of the encoder whose likenesses it was fitted on."""

    def log_odds(self, evidence: Evidence, vector_count: int) -> float:
        """Natural logarithm of the odds that the segment is of the recording."""
        crowd = math.log(max(vector_count, 1) / self.vector_count)
        return float(evidence.features() @ np.array(self.weights)) - max(0.0, crowd)

    def probability(self, evidence: Evidence, vector_count: int) -> float:
        """The same as a probability."""
        return 1.0 / (1.0 + math.exp(-max(-500.0, self.log_odds(evidence, vector_count))))


def shipped() -> Calibration:
    """The calibration that belongs to the shipped weights."""
    held = json.loads((files("models.match") / "calibration.json").read_text())
    return Calibration(tuple(held["weights"]), held["vector_count"], held["encoder"])


def best_stretch(likeness: NDArray[np.float32]) -> tuple[int, int]:
    """First and last (not included) of the windows that together speak most for a match.

    First against what is alike by chance; then, for sharp ends, against what is typical of it.
    """
    first, last = _densest(likeness, _WORTH)
    typical = float(np.median(likeness[first:last]))
    begins, ends = _densest(likeness[first:last], max(_WORTH, _OF_TYPICAL * typical))
    return first + begins, first + ends


def _densest(likeness: NDArray[np.float32], worth: float) -> tuple[int, int]:
    """The stretch with the greatest sum of likeness above `worth` (Bentley, 1984), of one window
    at least."""
    sums = np.concatenate(([0.0], np.cumsum(likeness.astype(np.float64) - worth)))
    lows = np.minimum.accumulate(sums)[:-1]
    last = int((sums[1:] - lows).argmax()) + 1
    first = int(sums[:last].argmin())
    return first, last
