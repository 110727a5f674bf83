"""What one listener's lists may not hold."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.recommend.kernels.listener import (
    BLOCKED_COUNT,
    HEARD_COUNT,
    LAST_TRACK,
    RECENT_COUNT,
    ListenerArrays,
)

__all__ = ["Memory", "fill_memory", "mark_allowed", "new_memory"]

_HEARD_WORDS: Final = 1024  # a bit for each of the 65,536 hashes there are


class Memory(NamedTuple):
    """Barred tracks for both lists, heard ones for `discover`."""

    barred: NDArray[np.int32]
    heard: NDArray[np.uint64]  # a bit per hash
    barred_count: NDArray[np.int64]


@njit(cache=True, nogil=True)
def new_memory(state: ListenerArrays) -> Memory:
    """Room for what any listener's lists may not hold."""
    return Memory(
        np.empty(2 + state.blocked.shape[1], np.int32),
        np.zeros(_HEARD_WORDS, np.uint64),
        np.zeros(1, np.int64),
    )


@njit(cache=True, nogil=True)
def fill_memory(memory: Memory, state: ListenerArrays, slot: int, filtered: bool) -> None:
    """Set the memory to a listener's. `filtered` bars what was just played."""
    barred, words = memory.barred, memory.heard
    meta, heard = state.meta[slot], state.heard[slot]
    count = int(meta[BLOCKED_COUNT])
    for i in range(count):
        barred[i] = state.blocked[slot, i]
    if filtered:
        barred[count] = meta[LAST_TRACK]
        barred[count + 1] = state.recent[slot, 0] if meta[RECENT_COUNT] > 0 else meta[LAST_TRACK]
        count += 2
    memory.barred_count[0] = count
    words[:] = 0
    for i in range(meta[HEARD_COUNT]):
        words[heard[i] >> 6] |= np.uint64(1) << np.uint64(heard[i] & 63)


@njit(cache=True, nogil=True)
def mark_allowed(
    memory: Memory,
    tracks: NDArray[np.int32],
    hashes: NDArray[np.uint32],
    following: NDArray[np.uint8],
    new: NDArray[np.uint8],
) -> None:
    """Say of each track whether `next`, and whether `discover`, may hold it."""
    # In one function: a call for each track would cost more than all the rest.
    barred, words, barred_count = memory.barred, memory.heard, memory.barred_count[0]
    for i in range(len(tracks)):
        track, allowed = tracks[i], 1
        for j in range(barred_count):
            if barred[j] == track:
                allowed = 0
        following[i] = allowed
        track_hash = hashes[track] & np.uint32(0xFFFF)
        heard = words[track_hash >> 6] >> np.uint64(track_hash & 63) & np.uint64(1)
        new[i] = 0 if heard else allowed
