"""Rates of experiment arms with intervals, and what may be said of their difference.

Plays of one listener are alike, so trials are not independent and the usual interval of a share is
too narrow. Listeners are: each arm's are drawn into cohorts, and an estimate is made again with one
cohort left out, for each of them. Its variance is (n - 1) / n times the sum of squares of these
around their mean, over n cohorts: the delete-a-group jackknife (Kott, "The delete-a-group
jackknife", 2001). Intervals use Student's t with n - 1 degrees of freedom.

Where a share is made of parts that are not known by cohort, the parts are taken to be as uncertain
as the whole: its interval is so many times as wide as that of independent trials, and as many fewer
trials do parts count (the design effect: Kish, "Survey sampling", 1965) in the interval of Wilson
(1927), which is good for few trials and rare hits too (Korn and Graubard, "Confidence intervals for
proportions with small expected number of positive counts estimated from survey data", 1998). A part
has fewer trials of each listener than the whole, so its interval is rather too wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "COHORTS_MIN",
    "Estimate",
    "design_effect",
    "difference",
    "finite_margin",
    "rate",
    "ratio",
    "share",
    "verdict",
]

COHORTS_MIN: Final = 8
"""With fewer cohorts an interval would say more about chance than about the arm."""
_T_975: Final = {
    **{7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201},
    **{12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131},
}
"""Student's t below which 97.5 % lie, by degrees of freedom."""
_Z_975: Final = 1.96
"""The same of the normal distribution."""


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


def rate(hits: Sequence[float], trials: Sequence[float]) -> Estimate | None:
    """The same of hits: without any, cohorts do not differ, and do not say how far they might.

    >>> rate([0.0] * 8, [10.0] * 8)
    Estimate(value=0.0, margin=inf)
    """
    found = ratio(hits, trials)
    return Estimate(0.0, math.inf) if found is not None and found.value == 0 else found


def design_effect(found: Estimate, trials: float) -> float:
    """How many times the variance of a share is that of independent trials; at least 1.

    Infinite where nothing can be said of the variance, and what that is of t against z included.

    >>> round(design_effect(Estimate(0.2, 0.05), 1_000), 2)
    4.07
    """
    independent = found.value * (1 - found.value) / trials
    if math.isinf(found.margin) or independent <= 0:
        return math.inf if math.isinf(found.margin) else 1.0
    return max(1.0, (found.margin / _Z_975) ** 2 / independent)


def share(hits: float, trials: float, *, effect: float) -> tuple[float, float]:
    """The ends of the 95 % interval of a share (Wilson), for a design effect.

    >>> low, high = share(0, 20, effect=1.0)
    >>> low, round(high, 3)
    (0.0, 0.161)
    """
    value, count, squared = hits / trials, trials / effect, _Z_975**2
    middle = (value * count + squared / 2) / (count + squared)
    spread = _Z_975 * math.sqrt(count * value * (1 - value) + squared / 4) / (count + squared)
    return max(0.0, middle - spread), min(1.0, middle + spread)


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


def finite_margin(found: Estimate | None) -> float | None:
    """The margin for JSON, which has no infinity."""
    return found.margin if found is not None and math.isfinite(found.margin) else None


def _t(freedom: int) -> float:
    return _T_975[min(freedom, max(_T_975))]
