"""Made-up listeners: where they live, what they like, how long and how often they listen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from segue.errors import Misconfigured

__all__ = ["MARKETS", "Listener", "build_listeners"]

MARKETS: Final = {"US": 0.34, "BR": 0.18, "DE": 0.16, "SE": 0.12, "JP": 0.12, "NG": 0.08}
DEVICES: Final = ("phone", "desktop", "speaker", "car")
TASTES_MAX: Final = 3
GAP_MIN_MS: Final = 31 * 60_000
"""Shortest silence between two sessions: longer than the gap that ends a session."""
GAP_MEAN_MS: Final = 40 * 60_000
FAVOURITES_MAX: Final = 20
LOCAL_TASTE_SHARE: Final = 0.5
"""How much of a market's first taste comes from the clusters that are strong there."""


class Listener:
    """One listener and the session they are in. Changed by the simulator as they listen."""

    __slots__ = (
        "cluster",
        "device",
        "favourites",
        "gap_mean_ms",
        "loyalty",
        "market",
        "plays_left",
        "session_index",
        "taste_shares",
        "tastes",
        "track",
        "user_id",
    )

    def __init__(self, user_id: str, market: str, device: str) -> None:
        self.user_id = user_id
        self.market = market
        self.device = device
        self.tastes: list[int] = []
        self.taste_shares: list[float] = []
        self.loyalty = 0.1
        self.gap_mean_ms = float(GAP_MEAN_MS)
        self.favourites: list[int] = []
        self.session_index = 0
        self.plays_left = 0
        self.cluster = 0
        self.track = -1  # the last track they heard out in this session; -1 before the first


def build_listeners(rng: np.random.Generator, count: int, clusters: int) -> list[Listener]:
    """Make up `count` listeners of a catalogue of `clusters` tastes. Deterministic by `rng`."""
    if count < 1:
        raise Misconfigured(f"there must be a listener, not {count}", setting="--listeners")
    names = list(MARKETS)
    markets = rng.choice(len(names), size=count, p=list(MARKETS.values()))
    devices = rng.integers(len(DEVICES), size=count)
    local = [rng.permutation(clusters)[: max(1, clusters // 5)] for _ in names]
    made = []
    for index in range(count):
        market = int(markets[index])
        listener = Listener(f"listener:{index:06d}", names[market], DEVICES[int(devices[index])])
        _give_taste(rng, listener, local[market].tolist(), clusters)
        made.append(listener)
    return made


def _give_taste(
    rng: np.random.Generator, listener: Listener, local: Sequence[int], clusters: int
) -> None:
    """A first taste, often one of the market's, and one or two others that count for less."""
    size = min(clusters, int(rng.integers(2, TASTES_MAX + 1)))
    tastes = [int(c) for c in rng.permutation(clusters)]
    if rng.random() < LOCAL_TASTE_SHARE:
        first = int(rng.choice(local))
        tastes.remove(first)
        tastes.insert(0, first)
    weights = np.sort(rng.dirichlet(np.ones(size)))[::-1]
    listener.tastes = tastes[:size]
    listener.taste_shares = np.cumsum(weights).tolist()
    listener.loyalty = float(rng.beta(2.0, 12.0))
    listener.gap_mean_ms = GAP_MEAN_MS * float(rng.lognormal(0.0, 0.6))
