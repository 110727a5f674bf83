"""River's `reco.BiasedMF` over plays: the factorisation that learns online, to compare with.

A play says what was chosen, not how much it was liked, so it is a rating of 1, and the tracks of
three plays before it, drawn at random, are ratings of 0 by the same listener. The model is
y = m + b_u + b_i + v_u · v_i, with 20 factors and a step of SGD (rate 0.01) for each rating (Koren,
Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009). What is the
same for all tracks of a listener, m + b_u, is left out of scores.

It is slow, and there for comparison only: 0.1 ms to learn a play, and 2 ms to rank 60,000 tracks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from random import Random
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["BiasedMf"]

FACTORS: Final = 20
NEGATIVES: Final = 3
_FIRST_ROWS: Final = 1_024

Scores = NDArray[np.float64]
TrackT = TypeVar("TrackT", bound=Hashable)


class BiasedMf(Generic[TrackT]):
    """The model, its negatives, and all tracks' vectors in one array, so that one product ranks.

    River keeps a vector in a dictionary for each track; those that a step changed are copied.

    >>> model = BiasedMf[str](seed=1)
    >>> for _ in range(200):
    ...     for user, track in (("ann", "hit"), ("bob", "hit"), ("bob", "rarity")):
    ...         model.learn(user, track)
    >>> model.rank("ann", "hit"), model.rank("ann", "rarity"), model.rank("ann", "unheard of")
    (0, 1, None)
    >>> model.rank("ann", "rarity", without={"hit"})
    0
    """

    def __init__(self, *, seed: int = 0) -> None:
        from river import reco  # takes a second

        self._model: Any = reco.BiasedMF(n_factors=FACTORS, seed=seed)  # River types some only
        self._random = Random(seed)
        self._played: list[int] = []
        self._numbers: dict[TrackT, int] = {}
        self._vectors = np.zeros((_FIRST_ROWS, FACTORS))
        self._biases = np.zeros(_FIRST_ROWS)
        self._last: tuple[Hashable, Scores] | None = None  # one play is asked two questions

    @property
    def tracks(self) -> list[TrackT]:
        """The tracks that were learned, in the order of `scores`."""
        return [*self._numbers]

    def knows(self, user: Hashable) -> bool:
        """Whether a play of this listener was learned."""
        return user in self._model.u_latents

    def learn(self, user: Hashable, track: TrackT) -> None:
        """Learn a play, and three tracks drawn from the plays before as not chosen."""
        self._last = None
        number = self._numbers.setdefault(track, len(self._numbers))
        if number == len(self._biases):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._biases = np.concatenate([self._biases, np.zeros_like(self._biases)])
        self._learn(user, number, 1.0)
        for _ in range(NEGATIVES if self._played else 0):
            self._learn(user, self._random.choice(self._played), 0.0)
        self._played.append(number)

    def scores(self, user: Hashable) -> Scores:
        """How much a known listener is taken to like each of `tracks`. O(tracks)."""
        count = len(self._numbers)
        scores: Scores = self._vectors[:count] @ self._model.u_latents[user] + self._biases[:count]
        return scores

    def rank(self, user: Hashable, track: TrackT, *, without: Iterable[TrackT] = ()) -> int | None:
        """How many tracks, but those left out, stand before this one; None if nobody played it."""
        number = self._numbers.get(track)
        if number is None:
            return None
        if self._last is None or self._last[0] != user:
            self._last = user, self.scores(user)
        scores = self._last[1]
        better = scores > scores[number]
        better[[self._numbers[each] for each in without if each in self._numbers]] = False
        return int(np.count_nonzero(better))

    def _learn(self, user: Hashable, number: int, rating: float) -> None:
        self._model.learn_one(user, number, rating)
        self._vectors[number] = self._model.i_latents[number]
        self._biases[number] = self._model.i_biases[number]
