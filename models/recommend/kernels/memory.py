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

_HEARD_ROOM: Final = 1024  # at least twice what a listener's memory holds


class Memory(NamedTuple):
    """Barred tracks for both lists, heard ones for `discover`."""

    barred: NDArray[np.int32]
    heard: NDArray[np.uint32]  # a set by open addressing; 0 is a gap
    counters: NDArray[np.int64]  # how many are barred; whether the hash 0 was heard


@njit(cache=True, nogil=True)
def new_memory(state: ListenerArrays) -> Memory:
    """Room for what any listener's lists may not hold."""
    return Memory(
        np.empty(2 + state.blocked.shape[1], np.int32),
        np.zeros(_HEARD_ROOM, np.uint32),
        np.zeros(2, np.int64),
    )


@njit(cache=True, nogil=True)
def fill_memory(memory: Memory, state: ListenerArrays, slot: int, filtered: bool) -> None:
    """Set the memory to a listener's. `filtered` bars what was just played."""
    barred, places, counters = memory.barred, memory.heard, memory.counters
    meta, heard = state.meta[slot], state.heard[slot]
    count = int(meta[BLOCKED_COUNT])
    for i in range(count):
        barred[i] = state.blocked[slot, i]
    if filtered:
        barred[count] = meta[LAST_TRACK]
        barred[count + 1] = state.recent[slot, 0] if meta[RECENT_COUNT] > 0 else meta[LAST_TRACK]
        count += 2
    counters[0], counters[1] = count, 0
    places[:] = 0
    mask = np.uint32(len(places) - 1)
    for i in range(meta[HEARD_COUNT]):
        if heard[i] == 0:
            counters[1] = 1
            continue
        at = heard[i] & mask
        while places[at] != 0:
            at = (at + np.uint32(1)) & mask
        places[at] = heard[i]


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
    barred, places = memory.barred, memory.heard
    barred_count, zero_heard = memory.counters[0], memory.counters[1]
    mask, one, gap = np.uint32(len(places) - 1), np.uint32(1), np.uint32(0)
    for i in range(len(tracks)):
        track, allowed = tracks[i], 1
        for j in range(barred_count):
            if barred[j] == track:
                allowed = 0
        following[i] = allowed
        track_hash = hashes[track]
        at = track_hash & mask
        while places[at] != gap and places[at] != track_hash:
            at = (at + one) & mask
        heard = zero_heard != 0 if track_hash == gap else places[at] == track_hash
        new[i] = 0 if heard else allowed
