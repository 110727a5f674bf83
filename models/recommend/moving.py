"""How tracks move: their plays in a window against those their share of a longer one foretells.

With S a track's decayed plays in the window, L those of the longer window, and T and U the same of
the whole market, the track would have E = L * T / U plays had it kept its share. Its acceleration
is log2((S + 10) / (E + 10)): 0 if it did, about 1 if its share doubled, about -1 if it halved.

A ratio of a short average to a long one says how much a track moves; the 10 plays added to both
keep chance out (S of Poisson plays has the variance E / 2, so 0.5 is passed by chance at less than
1 in 100 whatever E is). Shrinking observed and expected counts alike is that of Norén, Hopstadius
and Bate, "Shrinkage observed-to-expected ratios for robust and transparent large-scale pattern
discovery" (2013); SigniTrend (Schubert, Weiler and Kriegel, KDD 2014) has the same floor under
moving averages. Shares of the market, rather than rates, keep still when the market wakes up in the
morning.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.outputs import Direction

__all__ = ["acceleration", "directions"]

PLAYS_ADDED: Final = 10.0
MOVES_FROM: Final = 0.5
"""From here on a track rises, and from its negative on it falls."""


def acceleration(
    now: NDArray[np.float64], before: NDArray[np.float64], *, pace: float
) -> NDArray[np.float64]:
    """Accelerations of tracks to three decimals; `pace` is T / U.

    >>> acceleration(np.array([30.0, 10.0, 0.0]), np.array([100.0] * 3), pace=0.1).tolist()
    [1.0, 0.0, -1.0]
    """
    expected = np.maximum(before * pace, 0.0) + PLAYS_ADDED
    found: NDArray[np.float64] = np.log2((np.maximum(now, 0.0) + PLAYS_ADDED) / expected)
    return np.round(found, 3)


def directions(rates: NDArray[np.float64], recent: NDArray[np.bool_]) -> list[Direction]:
    """The direction of each track; one that rises and whose plays are `recent` is new."""
    return [
        ("new" if young else "rising")
        if rate >= MOVES_FROM
        else "falling"
        if rate <= -MOVES_FROM
        else "steady"
        for rate, young in zip(rates.tolist(), recent.tolist(), strict=True)
    ]
