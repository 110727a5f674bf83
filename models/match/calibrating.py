"""Fit the calibration: how probable is a match of which this is known?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.match.evidence import Evidence

__all__ = ["fit", "reliability"]

_RIDGE: Final = 1e-3
_ROUNDS: Final = 50


def fit(evidence: Sequence[Evidence], right: Sequence[bool]) -> tuple[float, ...]:
    """Weights of `FEATURES` by which the log-odds of being right are most likely.

    Maximum likelihood by iteratively reweighted least squares, with a little shrinkage. Raises
    ValueError unless some are right and some wrong.
    """
    if len(set(right)) < 2:
        raise ValueError("a calibration needs matches that are right and matches that are wrong")
    seen = np.stack([one.features() for one in evidence])
    truth = np.array(right, np.float64)
    weights = np.zeros(seen.shape[1])
    for _ in range(_ROUNDS):
        probable = 1.0 / (1.0 + np.exp(-np.clip(seen @ weights, -30, 30)))
        sharp = np.maximum(probable * (1 - probable), 1e-9)
        slope = seen.T @ (truth - probable) - _RIDGE * weights
        bend = (seen * sharp[:, None]).T @ seen + _RIDGE * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return tuple(float(each) for each in weights)


def reliability(
    probable: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15
) -> tuple[float, list[tuple[float, float, int]]]:
    """Expected calibration error over bins of equal mass (Guo et al., 2017), and the bins.

    Each bin is what was said, what was so, and how many there are of it.
    """
    order = np.argsort(probable, kind="stable")
    parts = [
        (float(probable[part].mean()), float(right[part].mean()), len(part))
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(abs(said - so) * count for said, so, count in parts) / len(order), parts
