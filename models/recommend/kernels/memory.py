"""What one listener's lists may not hold."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import allocating, kernel
from models.recommend.kernels.listener import (
    AT_MS,
    BLOCKED,
    BLOCKED_ARTIST,
    HEARD_COUNT,
    HIDDEN,
    HIDDEN_MS,
    KEPT,
    LAST_TRACK,
    RECENT_COUNT,
    SAID,
    SAID_COUNT,
    STATEMENT,
    ListenerArrays,
)

__all__ = ["Memory", "fill_memory", "mark_allowed", "new_memory"]

_HEARD_WORDS: Final = 1024  # a bit for each of the 65,536 hashes there are
_BARRED_ROOM: Final = 2 + KEPT[BLOCKED] + KEPT[HIDDEN]
_ARTISTS_ROOM: Final = KEPT[BLOCKED_ARTIST]

# Entries of Memory.counters.
BARRED: Final = 0
ARTISTS: Final = 1


class Memory(NamedTuple):
    """Barred tracks and artists for both lists, heard tracks for `discover`."""

    barred: NDArray[np.int32]
    artists: NDArray[np.int32]
    heard: NDArray[np.uint64]  # a bit per hash
    counters: NDArray[np.int64]  # how many tracks and artists are barred


@allocating
def new_memory() -> Memory:
    """Room for what any listener's lists may not hold."""
    return Memory(
        np.empty(_BARRED_ROOM, np.int32),
        np.empty(_ARTISTS_ROOM, np.int32),
        np.zeros(_HEARD_WORDS, np.uint64),
        np.zeros(2, np.int64),
    )


@kernel
def _bar_what_was_said(memory: Memory, state: ListenerArrays, slot: int, now_ms: int) -> None:
    """Bar blocked and hidden tracks, and blocked artists."""
    barred, artists = memory.barred, memory.artists
    said = state.said[state.meta[slot, SAID] - 1 :]
    tracks = names = 0
    for i in range(state.meta[slot, SAID_COUNT]):
        kind = said[i, STATEMENT] >> 32
        if kind == BLOCKED or (kind == HIDDEN and now_ms < said[i, AT_MS] + HIDDEN_MS):
            barred[tracks] = said[i, STATEMENT] & 0xFFFFFFFF
            tracks += 1
        elif kind == BLOCKED_ARTIST:
            artists[names] = said[i, STATEMENT] & 0xFFFFFFFF
            names += 1
    memory.counters[BARRED], memory.counters[ARTISTS] = tracks, names


@kernel
def fill_memory(
    memory: Memory, state: ListenerArrays, slot: int, now_ms: int, filtered: bool
) -> None:
    """Set the memory to a listener's at a time. `filtered` bars what was just played."""
    barred, words, counters = memory.barred, memory.heard, memory.counters
    meta, heard = state.meta[slot], state.heard[slot]
    counters[:] = 0
    if meta[SAID_COUNT] > 0:
        _bar_what_was_said(memory, state, slot, now_ms)
    if filtered:
        count = counters[BARRED]
        barred[count] = meta[LAST_TRACK]
        barred[count + 1] = state.recent[slot, 0] if meta[RECENT_COUNT] > 0 else meta[LAST_TRACK]
        counters[BARRED] = count + 2
    words[:] = 0
    for i in range(meta[HEARD_COUNT]):
        words[heard[i] >> 6] |= np.uint64(1) << np.uint64(heard[i] & 63)


@kernel
def mark_allowed(
    memory: Memory,
    tracks: NDArray[np.int32],
    known: tuple[NDArray[np.uint32], NDArray[np.int32]],
    following: NDArray[np.uint8],
    new: NDArray[np.uint8],
) -> None:
    """Say of each track whether `next`, and whether `discover`, may hold it.

    `known` are hashes and artists of tracks, by id.
    """
    # Short loops, each of few arrays: so those that compare are ones of vectors.
    barred, words, (hashes, artists) = memory.barred, memory.heard, known
    barred_artists, counters = memory.artists, memory.counters
    count = len(tracks)
    following[:count] = 1
    for j in range(counters[BARRED]):
        for i in range(count):
            following[i] &= tracks[i] != barred[j]
    for j in range(counters[ARTISTS]):
        for i in range(count):
            following[i] &= artists[tracks[i]] != barred_artists[j]
    for i in range(count):
        track_hash = hashes[tracks[i]] & np.uint32(0xFFFF)
        heard = words[track_hash >> 6] >> np.uint64(track_hash & 63) & np.uint64(1)
        new[i] = following[i] & (heard ^ np.uint64(1))
