"""Slots of arrays, one for each track held: who gets which, and which changed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.ring import NEWER, link_newest

__all__ = ["DIRTY", "EVICTED", "FREE", "SLOT_COUNTERS", "USED", "mark_used", "take_slot"]

# Entries that counters begin with; those of listeners, who get slots by name, with the first only.
DIRTY: Final = 0
USED: Final = 1  # slots ever taken
FREE: Final = 2  # of them, on the stack `free`
EVICTED: Final = 3  # entries of what a kernel reports
SLOT_COUNTERS: Final = 4


@kernel
def take_slot(
    free: NDArray[np.int32], links: NDArray[np.int32], counters: NDArray[np.int64]
) -> int:
    """A free slot; if all are taken, the one used longest ago, which still has its owner."""
    if counters[FREE] > 0:
        counters[FREE] -= 1
        return int(free[counters[FREE]])
    if counters[USED] < len(free):
        counters[USED] += 1
        return int(counters[USED] - 1)
    return int(links[0, NEWER] - 1)


@kernel
def mark_used(
    links: NDArray[np.int32], dirty: NDArray[np.uint8], counters: NDArray[np.int64], slot: int
) -> None:
    """Make a slot the one used last, to be written to the changelog."""
    link_newest(links, slot)
    if not dirty[slot]:
        dirty[slot] = 1
        counters[DIRTY] += 1
