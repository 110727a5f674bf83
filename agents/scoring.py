"""How the lists of each arm did against the plays that followed: sums of the state, as metrics."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from models.recommend.arms import Arms
from models.recommend.kernels.listener import COHORTS, HITS_10, TRIALS
from models.recommend.shifts import load_detector
from segue.clock import Clock
from segue.telemetry import metrics

__all__ = ["Scoring"]

LISTS: Final = ("next", "discover", "popular")
INTERVAL_S: Final = 1.0
"""Between two updates of the metrics, which have a few hundred values."""


class Scoring:
    """One for a worker. In memory only: counters begin with the worker, as Prometheus expects.

    The rates of each arm go through ADWIN, one value about every second (Bifet and Gavaldà,
    "Learning from time-changing data with adaptive windowing", 2007).
    """

    def __init__(self, arms: Arms, clock: Clock) -> None:
        self._arms, self._clock = arms, clock
        self._due_s = clock.monotonic_s()
        self._waiting = np.zeros(1)
        adwin = load_detector()
        self._windows = {(arm, name): adwin() for arm in arms.names for name in LISTS}

    def count(self, scores: NDArray[np.float64]) -> None:
        """Add sums as `ListenerState.drain_scores` gives them."""
        self._waiting = self._waiting + scores
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + INTERVAL_S
        waiting, self._waiting = self._waiting, np.zeros(1)
        for cell, column in np.argwhere(waiting[:, :, TRIALS]).tolist():
            arm, name = self._arms.name(cell), LISTS[column]
            counters = _counters(arm, name, str(cell % COHORTS))
            for counter, amount in zip(counters, waiting[cell, column].tolist(), strict=True):
                counter.inc(amount)
        by_arm = waiting.reshape(len(self._arms), COHORTS, *waiting.shape[1:]).sum(axis=1)
        for arm, of_lists in zip(self._arms.names, by_arm.tolist(), strict=True):
            for name, sums in zip(LISTS, of_lists, strict=True):
                if sums[TRIALS]:
                    self._watch(arm, name, sums[HITS_10] / sums[TRIALS])

    def _watch(self, arm: str, name: str, rate: float) -> None:
        """Note a rate, and whether it means that the arm's quality changed for good."""
        window = self._windows[arm, name]
        window.update(rate)  # type: ignore[no-untyped-call]  # it has no types
        metrics.RECENT_HITS.labels(arm, name).set(window.estimation)
        if window.drift_detected:
            metrics.QUALITY_DRIFTS.labels(arm, name).inc()


@cache  # arms x lists x cohorts
def _counters(*tried: str) -> tuple[Counter, ...]:
    """The metrics of one arm, list and cohort, in the order of the sums."""
    return (
        metrics.TRIALS.labels(*tried),
        metrics.HITS.labels(*tried, "10"),
        metrics.HITS.labels(*tried, "20"),
        metrics.RECIPROCAL_RANKS.labels(*tried),
        metrics.GAINS.labels(*tried),
    )
