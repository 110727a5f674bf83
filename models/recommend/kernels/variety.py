"""Variety of artists in a list: two of one artist in a row only where the score says so twice over.

Maximal marginal relevance (Carbonell and Goldstein, 1998), where what is alike is the artist of the
entry before: an entry counts half behind one of its own artist. How many of an artist a list holds
at all is bounded where the best candidates are taken (`ranking.take_best`) and by
`count_of_artist`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel

__all__ = ["BEHIND_ITS_OWN", "Entries", "count_of_artist", "spread_artists"]

BEHIND_ITS_OWN: Final = 0.5
"""What the score of an entry counts right behind one of the same artist."""

Column = NDArray[np.int32] | NDArray[np.float32] | NDArray[np.int8]
Entries = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]
"""Ids, scores, sources and because of a list."""


@kernel
def count_of_artist(
    artists: NDArray[np.int32], ids: NDArray[np.int32], size: int, track: int
) -> int:
    """How many entries of a list are by the artist of a track; 0 if that is unknown."""
    count, artist = 0, artists[track]
    if artist != 0:
        for j in range(size):
            count += artists[ids[j]] == artist
    return count


@kernel
def _move(column: Column, start: int, end: int) -> None:
    """Let an entry pass those from `start` on."""
    moved = column[end]
    for j in range(end, start, -1):
        column[j] = column[j - 1]
    column[start] = moved


@kernel
def spread_artists(entries: Entries, artists: NDArray[np.int32]) -> None:
    """Put the entries of a list, best first, in an order of more variety.

    The entry that comes next is the one whose score, halved if its artist is that of the entry
    before, is highest. Then no score is above the one before it. `artists` are those of the entries
    and follow them; who has none is alike to nobody.
    """
    ids, scores, sources, because = entries
    passed = False
    for j in range(1, len(ids)):
        artist = artists[j]
        if artist == 0 or artist != artists[j - 1]:
            continue
        k = j + 1
        while k < len(ids) and artists[k] == artist:
            k += 1
        if k < len(ids) and scores[k] > np.float32(BEHIND_ITS_OWN) * scores[j]:
            _move(ids, j, k)
            _move(scores, j, k)
            _move(sources, j, k)
            _move(because, j, k)
            _move(artists, j, k)
            passed = True
    if passed:
        for j in range(1, len(ids)):
            scores[j] = min(scores[j], scores[j - 1])
