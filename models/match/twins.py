"""Which references of an index are the same recording, or hold one another.

Vectors that are kept are compared with vectors that are kept: nothing is decoded or embedded, so it
costs a hundredth of making a print. So both must play at the same speed and pitch.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import PRINT_HOP, Print, expanded
from models.match.aligning import Line, Windows, along
from models.match.hough import Votes, candidates
from models.match.index import MatchIndex

__all__ = ["SHARE_MIN", "Twin", "twins_of"]

SHARE_MIN: Final = 0.8
"""Of the one that is held in the other, from which on they are told."""
_ALIKE: Final = 0.5
"""Likeness of windows of one recording; encoded twice it is .8 and more, of others below .4."""
_STEP: Final = 8  # vectors, two seconds: one of so many is looked up
_NEIGHBOURS: Final = 16
_ALIGNED_MAX: Final = 24


class Twin(NamedTuple):
    """`share` of the reference `inner` is in the reference `outer`."""

    outer: str
    inner: str
    share: float


def twins_of(reference_id: str, printed: Print, index: MatchIndex) -> list[Twin]:
    """What of an index is largely the same as a print that is not in it yet, in order of ids.

    Takes milliseconds a minute. A part of less than four seconds may be missed.
    """
    loud = _loud(printed)
    rows = np.flatnonzero(loud)[::_STEP]
    if not len(rows):
        return []
    alike: dict[int, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
    for slot, offset in _lines(printed, rows, index):
        held = index.print_of(slot)
        if held is not None:
            mine, theirs = alike.setdefault(
                slot, (np.zeros(len(loud), np.bool_), np.zeros(len(held.vectors), np.bool_))
            )
            mine |= _met(printed, held, offset)
            theirs |= _met(held, printed, -offset)
    found = []
    for slot, (mine, theirs) in alike.items():
        other, held = index.id_of(slot), index.print_of(slot)
        if other is not None and held is not None:
            of_mine = float(mine.sum() / loud.sum())
            of_theirs = float(theirs.sum() / max(1, _loud(held).sum()))
            longer = held.seconds >= printed.seconds
            twin = Twin(other, reference_id, of_mine)
            if of_theirs > of_mine or (of_theirs == of_mine and not longer):
                twin = Twin(reference_id, other, of_theirs)
            found += [twin] if twin.share >= SHARE_MIN else []
    return sorted(found)


def _lines(printed: Print, rows: NDArray[np.int64], index: MatchIndex) -> list[tuple[int, float]]:
    """References, and by how many frames what is the same is later in them."""
    hits = index.search(expanded(printed.vectors[rows]), _NEIGHBOURS)
    frames = (rows * PRINT_HOP).astype(np.float32)[:, None]
    votes = Votes(
        hits.references.ravel(),
        np.zeros(hits.references.size, np.int32),
        (hits.windows * PRINT_HOP - frames).astype(np.float32).ravel(),
        hits.likeness.ravel(),
    )
    return [(each.slot, each.offset) for each in candidates(votes, _ALIGNED_MAX)]


def _loud(printed: Print) -> NDArray[np.bool_]:
    """Which windows are no silence."""
    found: NDArray[np.bool_] = (printed.vectors != 0).any(axis=1)
    return found


def _met(one: Print, other: Print, offset: float) -> NDArray[np.bool_]:
    """Which windows of one print the other has too."""
    frames = (np.arange(len(one.vectors)) * PRINT_HOP).astype(np.float32)
    likeness = along(Windows(frames, expanded(one.vectors)), other, Line(offset, 1.0))
    return likeness > _ALIKE
