"""The embedding in plain Python: what the compiled code is tested against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.recommend.vocabulary import hash32

__all__ = ["ReferenceVectors"]

DIMENSIONS, BEFORE, DECAY, NEGATIVES, LATELY, RATE = 32, 30, 0.97, 30, 2048, 0.2
NOW, NOW_DECAY = 5, 0.8
BITS = (1 << 64) - 1

Vector = NDArray[np.float64]


class ReferenceVectors:
    """Vectors, biases and numbers of discoveries, by track."""

    def __init__(self) -> None:
        self.vectors: dict[str, Vector] = {}
        self.bias: dict[str, float] = defaultdict(float)
        self.discoveries: dict[str, int] = defaultdict(int)
        self._squares: dict[str, float] = defaultdict(lambda: 1e-6)
        self._bias_squares: dict[str, float] = defaultdict(lambda: 1.0)
        self._lately: list[str] = []
        self._count, self._random = 0, 1

    def learn(self, track: str, before: Sequence[str]) -> None:
        """Learn one discovery."""
        for name in (*before, track):
            self.vectors.setdefault(name, _first(name))
        drawn = [self._draw() for _ in range(min(len(self._lately), NEGATIVES))]
        if drawn and before:
            self._step(track, before, drawn)
        self.discoveries[track] += 1
        if len(self._lately) < LATELY:
            self._lately.append(track)
        else:
            self._lately[self._count % LATELY] = track
        self._count += 1

    def tastes(self, track: str, recent: Sequence[str]) -> tuple[float, float]:
        """How a track fits a listener's distinct tracks, newest first; 0 if it is unknown."""
        if track not in self.vectors:
            return 0.0, 0.0
        level = self.bias[track] + np.log(1 + self.discoveries[track])
        vector = self.vectors[track]
        lasting = vector @ self._mean(recent[:BEFORE], DECAY)
        return float(lasting + level), float(vector @ self._mean(recent[:NOW], NOW_DECAY))

    def _mean(self, tracks: Sequence[str], decay: float) -> Vector:
        if not tracks:
            return np.zeros(DIMENSIONS)
        weights = decay ** np.arange(len(tracks))
        vectors = [self.vectors.get(track, np.zeros(DIMENSIONS)) for track in tracks]
        return np.asarray(weights @ np.array(vectors) / weights.sum())

    def _step(self, track: str, before: Sequence[str], drawn: Sequence[str]) -> None:
        mean = self._mean(before, DECAY)
        slots = [track, *(name for name in drawn if name != track)]
        scores = np.array([self.vectors[name] @ mean + self.bias[name] for name in slots])
        chances = np.exp(scores - scores.max())
        errors = -chances / chances.sum()
        errors[0] += 1
        pull = np.zeros(DIMENSIONS)
        for name, error in zip(slots, errors.tolist(), strict=True):
            pull += error * self.vectors[name]
            self._bias_squares[name] += error**2
            self.bias[name] += RATE * error / np.sqrt(self._bias_squares[name])
            self._move(name, error * mean)
        weights = DECAY ** np.arange(len(before))
        for name, weight in zip(before, (weights / weights.sum()).tolist(), strict=True):
            self._move(name, weight * pull)

    def _move(self, name: str, gradient: Vector) -> None:
        self._squares[name] += float((gradient**2).mean())
        step = RATE / np.sqrt(self._squares[name])
        self.vectors[name] = self.vectors[name] + step * gradient

    def _draw(self) -> str:
        x = self._random
        x ^= x >> 12
        x = (x ^ (x << 25)) & BITS
        x ^= x >> 27
        self._random = x
        return self._lately[((x * 0x2545F4914F6CDD1D & BITS) >> 32) % len(self._lately)]


def _first(track: str) -> Vector:
    x, vector = hash32(track) + 1, np.zeros(DIMENSIONS)
    for d in range(DIMENSIONS):
        x = (x * 6364136223846793005 + 1442695040888963407) & BITS
        vector[d] = 0.1 * (3 / DIMENSIONS) ** 0.5 * (2 * (x >> 40) / 2**24 - 1)
    return vector
