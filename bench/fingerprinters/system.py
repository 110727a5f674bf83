"""What a fingerprinter must be able to do here. Peers' interpreters import this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bench.disguises.samples import Samples

__all__ = ["NONE", "Answer", "Fingerprinter"]


class Answer(NamedTuple):
    """What a system says of a query: the best reference, and where in it the query begins.

    `reference` is its number, -1 for no answer. Scores are compared within a system and a length
    only; higher is surer. A probability is that of being right.
    """

    reference: int
    offset_s: float
    score: float
    probability: float | None = None


NONE = Answer(-1, 0.0, float("-inf"))
"""Nothing was found."""


class Fingerprinter(Protocol):
    """Indexes references, then answers queries. Both are mono at 16 kHz."""

    def fit(self, references: Sequence[Samples]) -> None:
        """Index; called once."""
        ...

    def ask(self, queries: Samples) -> list[Answer]:
        """One answer for each row, in order. Queries know nothing of each other."""
        ...
