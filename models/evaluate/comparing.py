"""Rates of experiment arms with intervals, and what may be said of their difference.

Plays of one listener are alike, so trials are not independent and the usual interval of a share is
too narrow. Listeners are: each arm's are drawn into cohorts, and an estimate is made again with one
cohort left out, for each of them. Its variance is (n - 1) / n times the sum of squares of these
around their mean, over n cohorts: the delete-a-group jackknife (Kott, "The delete-a-group
jackknife", 2001). Intervals use Student's t with n - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["COHORTS_MIN", "Estimate", "difference", "ratio", "verdict"]

COHORTS_MIN: Final = 8
"""With fewer cohorts an interval would say more about chance than about the arm."""
_T_975: Final = {
    **{7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201},
    **{12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131},
}
"""Student's t below which 97.5 % lie, by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and half the width of its 95 % interval; infinite where nothing can be said."""

    value: float
    margin: float

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.value - self.margin

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.value + self.margin


def ratio(sums: Sequence[float], weights: Sequence[float]) -> Estimate | None:
    """The sum of `sums` by the sum of `weights`, both by cohort; None without any weight.

    >>> found = ratio([3.0, 1.0] * 4, [10.0] * 8)
    >>> round(found.value, 3), round(found.margin, 3)
    (0.2, 0.089)
    """
    pairs = [pair for pair in zip(sums, weights, strict=True) if pair[1] > 0]
    total, weight = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if not pairs:
        return None
    count = len(pairs)
    if count < COHORTS_MIN:
        return Estimate(total / weight, math.inf)
    without = [(total - own) / (weight - own_weight) for own, own_weight in pairs]
    mean = sum(without) / count
    variance = (count - 1) / count * sum((each - mean) ** 2 for each in without)
    return Estimate(total / weight, _t(count - 1) * math.sqrt(variance))


def difference(arm: Estimate, first: Estimate) -> Estimate:
    """How much more `arm` has than `first`; their listeners are different people."""
    return Estimate(arm.value - first.value, math.hypot(arm.margin, first.margin))


def verdict(found: Estimate) -> str:
    """What a difference says, in words.

    >>> verdict(Estimate(0.02, 0.01)), verdict(Estimate(-0.02, 0.03))
    ('better', 'no difference seen')
    """
    if math.isinf(found.margin):
        return "too few listeners to tell"
    if found.low > 0:
        return "better"
    return "worse" if found.high < 0 else "no difference seen"


def _t(freedom: int) -> float:
    return _T_975[min(freedom, max(_T_975))]
