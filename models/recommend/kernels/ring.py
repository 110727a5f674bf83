"""The order of use of slots: a doubly linked ring in an array, for eviction and for the changelog.

Row 0 of `links` is the ring's head, slot s is row s + 1, and zeros mean "not in the ring", so that
memory which was never used is never written. All steps are O(1).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import allocating, kernel

__all__ = ["NEWER", "OLDER", "link_newest", "linked", "take_dirty", "unlink"]

OLDER: Final = 0
NEWER: Final = 1


@kernel
def unlink(links: NDArray[np.int32], slot: int) -> None:
    """Take a slot out of the ring; nothing if it is not in it."""
    row = slot + 1
    older, newer = links[row, OLDER], links[row, NEWER]
    if older == 0 and newer == 0 and links[0, OLDER] != row:
        return
    links[newer, OLDER] = older
    links[older, NEWER] = newer
    links[row, OLDER] = 0
    links[row, NEWER] = 0


@kernel
def link_newest(links: NDArray[np.int32], slot: int) -> None:
    """Make a slot the one used last."""
    row = slot + 1
    if links[0, OLDER] == row:
        return
    unlink(links, slot)
    newest = links[0, OLDER]
    links[row, OLDER] = newest
    links[row, NEWER] = 0
    links[newest, NEWER] = row
    links[0, OLDER] = row


@allocating
def linked(links: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The first `count` slots of the ring, those used last, in order from least to most recent."""
    out = np.empty(count, np.int32)
    row = links[0, OLDER]
    found = 0
    while row != 0 and found < count:
        found += 1
        out[count - found] = row - 1
        row = links[row, OLDER]
    return out[count - found :]


@allocating
def take_dirty(links: NDArray[np.int32], dirty: NDArray[np.uint8], count: int) -> NDArray[np.int32]:
    """The `count` dirty slots from least to most recently used; none is dirty afterwards.

    What changed was used, so they stand at the ring's front, and its rest is hardly walked.
    """
    out = np.empty(count, np.int32)
    row = links[0, OLDER]
    found = 0
    while row != 0 and found < count:
        if dirty[row - 1]:
            found += 1
            out[count - found] = row - 1
            dirty[row - 1] = 0
        row = links[row, OLDER]
    return out[count - found :]
