"""Seeded listening of one market, minute by minute, as stage C gets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from schemas.frames import TrendCountsFrame

__all__ = ["MarketPlays", "popularity"]


def popularity(tracks: int, *, first: int = 0) -> dict[str, float]:
    """Shares of plays of tracks t0, t1, …: the k-th has 1 / (k + 5) of them; they sum to 1."""
    weights = {f"t{first + k}": 1 / (k + 5) for k in range(tracks)}
    return {track: weight / sum(weights.values()) for track, weight in weights.items()}


class MarketPlays:
    """Poisson plays of one market; the same seed and calls give the same plays."""

    def __init__(self, seed: int, market: str = "SE", *, start_minute: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._market = market
        self.minute = start_minute

    def frames(
        self, minutes: int, plays_per_minute: Mapping[str, float]
    ) -> Iterator[TrendCountsFrame]:
        """A frame for each of the next minutes, tracks without plays left out."""
        names = [*plays_per_minute]
        rates = np.array([*plays_per_minute.values()])
        for _ in range(minutes):
            counts = self._rng.poisson(rates)
            played = np.flatnonzero(counts)
            yield TrendCountsFrame(
                self._market,
                [names[track] for track in played.tolist()],
                np.arange(len(played), dtype=np.int32),
                np.full(len(played), self.minute, np.int64),
                counts[played].astype(np.int32),
            )
            self.minute += 1
