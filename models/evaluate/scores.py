"""Hit rates and reciprocal ranks, added up over trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["DEPTH", "Score"]

DEPTH: Final = 20
"""How far down a list a hit counts at all."""


@dataclass(slots=True)
class Score:
    """Trials of one list: how often it held the next play, and how high."""

    trials: int = 0
    hits10: int = 0
    hits20: int = 0
    reciprocals: float = 0.0

    def add(self, rank: int | None) -> None:
        """Count a trial; `rank` is from 0, None if the play was not in the list."""
        self.trials += 1
        if rank is None or rank >= DEPTH:
            return
        self.hits10 += rank < 10
        self.hits20 += 1
        self.reciprocals += 1 / (rank + 1)

    def __sub__(self, earlier: Score) -> Score:
        """The trials since an earlier copy."""
        return Score(
            self.trials - earlier.trials,
            self.hits10 - earlier.hits10,
            self.hits20 - earlier.hits20,
            self.reciprocals - earlier.reciprocals,
        )

    def copy(self) -> Score:
        """These sums as they are now."""
        return Score(self.trials, self.hits10, self.hits20, self.reciprocals)

    @property
    def rates(self) -> dict[str, float]:
        """HR@10, HR@20 and MRR@20; zeros without trials.

        >>> score = Score()
        >>> for rank in (0, 14, None, 3):
        ...     score.add(rank)
        >>> score.rates
        {'hr10': 0.5, 'hr20': 0.75, 'mrr20': 0.3291...}
        """
        trials = max(self.trials, 1)
        return {
            "hr10": self.hits10 / trials,
            "hr20": self.hits20 / trials,
            "mrr20": self.reciprocals / trials,
        }
