"""Which differences between arms are more than chance: HR@10 by cohort of the listeners.

All arms are asked the same plays, so what makes a play easy or hard for every arm is in both sums
of a cohort and drops out of their difference. And plays of one listener are alike: the interval
follows from how far 16 cohorts of listeners differ (`comparing`), not from how far plays do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from models.evaluate.comparing import Estimate, rate, ratio
from models.evaluate.scores import QUESTIONS, Ranks
from models.recommend.kernels.listener import COHORTS
from models.recommend.plays import hash64

__all__ = ["Paired"]

_HIT: Final = 10  # places


class Paired:
    """Hits of arms on the same plays. O(arms) a play.

    >>> found = Paired(["default", "popular"])
    >>> for listener in range(1000):
    ...     asked = {"any": 0 if listener % 4 else None}
    ...     found.add(f"u{listener}", {"default": asked, "popular": {"any": None}})
    >>> more = found.more("default", "popular", "any")
    >>> more.value, round(more.margin, 2)
    (0.75, 0.03)
    """

    def __init__(self, arms: Iterable[str]) -> None:
        self._trials = {question: [0] * COHORTS for question in QUESTIONS}
        self._hits = {arm: {question: [0] * COHORTS for question in QUESTIONS} for arm in arms}

    def add(self, user_id: str, ranks: Ranks) -> None:
        """Count a play of a listener by its ranks in all arms, which are asked the same of it."""
        cohort = hash64(user_id) % COHORTS
        for question in next(iter(ranks.values()), {}):
            self._trials[question][cohort] += 1
        for arm, asked in ranks.items():
            for question, rank in asked.items():
                self._hits[arm][question][cohort] += rank is not None and rank < _HIT

    def hr10(self, arm: str, question: str) -> Estimate | None:
        """HR@10 of an arm; None without trials."""
        return rate(self._hits[arm][question], self._trials[question])

    def more(self, arm: str, first: str, question: str) -> Estimate | None:
        """How much more HR@10 an arm has than another; None without trials."""
        mine, its = self._hits[arm][question], self._hits[first][question]
        won = [own - other for own, other in zip(mine, its, strict=True)]
        return ratio(won, self._trials[question])
