"""Hit rates, reciprocal ranks and discounted gains, added up over trials."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Final

from schemas.outputs import SOURCES

__all__ = [
    "ARMS",
    "BIASED_MF",
    "DEFAULT",
    "DEPTH",
    "POPULAR",
    "QUESTIONS",
    "REPLAY_ARMS",
    "WITHOUT",
    "Ranks",
    "Score",
]

DEFAULT: Final = "default"
POPULAR: Final = "popular"
BIASED_MF: Final = "biased-mf"
WITHOUT: Final = "without-"
ARMS: Final = (DEFAULT, POPULAR, *(WITHOUT + source for source in SOURCES))
REPLAY_ARMS: Final = (*ARMS, BIASED_MF)
"""Those that lists are served by, and what they are only compared with."""
QUESTIONS: Final = ("new", "any")

DEPTH: Final = 20
"""How far down a list a hit counts at all."""


Ranks = dict[str, dict[str, int | None]]
"""Where a play stands in the list of each arm, by question, from 0; None: not in it."""


@dataclass(slots=True)
class Score:
    """Trials of one list: how often it held the next play, and how high."""

    trials: int = 0
    hits10: int = 0
    hits20: int = 0
    reciprocals: float = 0.0
    gains: float = 0.0

    def add(self, rank: int | None) -> None:
        """Count a trial; `rank` is from 0, None if the play was not in the list."""
        self.trials += 1
        if rank is None or rank >= DEPTH:
            return
        self.hits10 += rank < 10
        self.hits20 += 1
        self.reciprocals += 1 / (rank + 1)
        self.gains += 1 / log2(rank + 2)

    def __sub__(self, earlier: Score) -> Score:
        """The trials since an earlier copy."""
        return Score(
            self.trials - earlier.trials,
            self.hits10 - earlier.hits10,
            self.hits20 - earlier.hits20,
            self.reciprocals - earlier.reciprocals,
            self.gains - earlier.gains,
        )

    def copy(self) -> Score:
        """These sums as they are now."""
        return Score(self.trials, self.hits10, self.hits20, self.reciprocals, self.gains)

    @property
    def rates(self) -> dict[str, float]:
        """HR, MRR and NDCG at their depths; zeros without trials.

        A trial has one relevant track, so the ideal gain is 1 and NDCG is the mean gain (Järvelin
        and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002).

        >>> score = Score()
        >>> for rank in (0, 14, None, 2):
        ...     score.add(rank)
        >>> score.rates
        {'hr@10': 0.5, 'hr@20': 0.75, 'mrr@20': 0.35, 'ndcg@20': 0.4375}
        """
        trials = max(self.trials, 1)
        return {
            "hr@10": self.hits10 / trials,
            "hr@20": self.hits20 / trials,
            "mrr@20": self.reciprocals / trials,
            "ndcg@20": self.gains / trials,
        }
