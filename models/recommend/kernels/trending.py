"""Kernels of stage C: exact counts and forward-decayed scores of one market's tracks.

A play in minute b adds 2 ** ((b - landmark) / half_life) to its track's score. Landmarks are
multiples of all half-lives, so moving one scales all scores by exact powers of two: state written
under one landmark and read under another is the same state.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel

__all__ = [
    "EXPONENT_MIN",
    "HALF_LIVES",
    "MarketArrays",
    "learn_counts",
    "rebuild_places",
    "take_slot",
]

HALF_LIVES: Final = (20, 480, 3360, 13_440)
"""Of hour, day, week and four weeks, in minutes: a third of each. Each divides the last one."""
EXPONENT_MIN: Final = -900  # below 2 ** -900 a score is nothing


class MarketArrays(NamedTuple):
    """One market. `places` is an open-addressing table from track id to slot + 1.

    `scores` has a row for each slot and a column for each half-life. `total` and `totals` are the
    plays and scores of all tracks together, evicted ones too. `bucket` are the plays since it was
    emptied, of all tracks and of the `leading` ones.
    """

    ids: NDArray[np.int32]
    plays: NDArray[np.int64]
    scores: NDArray[np.float64]
    leading: NDArray[np.uint8]
    dirty: NDArray[np.uint8]
    places: NDArray[np.int32]
    used: NDArray[np.int64]
    total: NDArray[np.int64]
    totals: NDArray[np.float64]
    bucket: NDArray[np.int64]


@kernel
def _place(market: MarketArrays, track: int) -> int:
    """Where a track is in the table, or the gap where it would go."""
    mask = len(market.places) - 1
    at = (track * 0x61C88647 >> 7) & mask
    while market.places[at] != 0 and market.ids[market.places[at] - 1] != track:
        at = (at + 1) & mask
    return at


@kernel
def rebuild_places(market: MarketArrays) -> None:
    """Fill the table from the ids, after slots have moved."""
    market.places[:] = 0
    for slot in range(market.used[0]):
        market.places[_place(market, int(market.ids[slot]))] = slot + 1


@kernel
def take_slot(market: MarketArrays, track: int) -> int:
    """The slot of a track, a fresh one if it has none; -1 if none is free."""
    at = _place(market, track)
    slot = int(market.places[at]) - 1
    if slot < 0:
        slot = int(market.used[0])
        if slot == len(market.ids):
            return -1
        market.used[0] = slot + 1
        market.places[at] = slot + 1
        market.ids[slot] = track
        market.plays[slot] = 0
        market.scores[slot] = 0.0
        market.leading[slot] = 0
    return slot


@kernel
def _growth(fractions: NDArray[np.float64], minutes: int) -> float:
    """2 ** (minutes / half_life); `fractions` holds it for each minute of one half-life."""
    exponent = minutes // len(fractions)
    if exponent < EXPONENT_MIN:
        return 0.0
    return math.ldexp(fractions[minutes % len(fractions)], exponent)


@kernel
def learn_counts(
    market: MarketArrays,
    columns: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]],
    landmark: int,
    fractions: tuple[NDArray[np.float64], ...],
    start: int,
) -> int:
    """Add counts of (track, minute) from `start` on. Returns where it stopped: no slot is free."""
    tracks, buckets, counts = columns
    scores, totals = market.scores, market.totals
    for i in range(start, len(tracks)):
        slot = take_slot(market, int(tracks[i]))
        if slot < 0:
            return i
        minutes = int(buckets[i]) - landmark
        market.plays[slot] += counts[i]
        market.total[0] += counts[i]
        market.bucket[0] += counts[i]
        if market.leading[slot]:
            market.bucket[1] += counts[i]
        for w in range(len(fractions)):
            gain = counts[i] * _growth(fractions[w], minutes)
            scores[slot, w] += gain
            totals[w] += gain
        market.dirty[slot] = 1
    return len(tracks)
