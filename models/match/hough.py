"""Which alignments the nearest neighbours of many windows agree on (Hough, 1962).

A hit says: this window of the query, seen so, is that window of a reference. In the time of its
view a query that is of a reference runs along a line of slope one, so its hits share one offset.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidate", "Votes", "candidates"]

_BIN: Final = 20  # frames, half a second
_LIKENESS_MIN: Final = 0.35
_SPAN: Final = 1 << 24  # frames either way: 4.8 days
_VIEWS: Final = 64


class Votes(NamedTuple):
    """Hits (n each): slot, view, offset of the reference in frames, and likeness."""

    slots: NDArray[np.int32]
    views: NDArray[np.int32]
    offsets: NDArray[np.float32]
    likeness: NDArray[np.float32]


class Candidate(NamedTuple):
    """An alignment to look at exactly: reference frame = `offset` + frame of the view."""

    slot: int
    view: int
    offset: float
    weight: float


def candidates(votes: Votes, count: int) -> list[Candidate]:
    """The `count` alignments with the most weight, the heaviest first.

    Bins overlap by half, so that no alignment falls between two.
    """
    weight = votes.likeness - np.float32(_LIKENESS_MIN)
    kept = (weight > 0) & (votes.slots >= 0)
    slots, views = votes.slots[kept].astype(np.int64), votes.views[kept].astype(np.int64)
    offsets, weight = votes.offsets[kept], weight[kept]
    found: list[Candidate] = []
    for shift in (0, _BIN // 2):
        bins = np.floor((offsets + shift) / _BIN).astype(np.int64) + _SPAN
        keys = (slots * _VIEWS + views) * (2 * _SPAN) + bins
        order = np.argsort(keys, kind="stable")
        firsts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        if not len(firsts):
            return []
        sums = np.add.reduceat(weight[order], firsts)
        places = np.add.reduceat((weight * offsets)[order], firsts) / sums
        for at in np.argsort(-sums, kind="stable")[: 2 * count].tolist():
            first = order[firsts[at]]
            found.append(
                Candidate(int(slots[first]), int(views[first]), float(places[at]), float(sums[at]))
            )
    found.sort(key=lambda each: (-each.weight, each.slot, each.view, each.offset))
    return _apart(found, count)


def _apart(found: list[Candidate], count: int) -> list[Candidate]:
    """Without those that a heavier one already stands for."""
    kept: list[Candidate] = []
    for each in found:
        if not any(
            each.slot == other.slot
            and each.view == other.view
            and abs(each.offset - other.offset) < _BIN
            for other in kept
        ):
            kept.append(each)
            if len(kept) == count:
                break
    return kept
