"""Kernels of an erasure: what a listener gave is found again, and taken back from rows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.listener import (
    BEGINS,
    CONTEXT_BITS,
    CONTEXT_TRACKS,
    HELD_BACK,
    PASSED_COUNT,
    PASSED_PLAYS,
    PLAYS,
    RECENT_COUNT,
    RECENT_PLAYS,
    WEIGHT_UNIT,
    ListenerArrays,
)
from models.recommend.kernels.listening import IN_TURN, ONE_SIDED
from models.recommend.kernels.rows import Journal, RowArrays, find, mark_changed, settle
from models.recommend.kernels.table import Table, add

__all__ = ["GIVEN_SUMS_MAX", "sum_given", "take_back"]

GIVEN_SUMS_MAX: Final = (RECENT_PLAYS + PASSED_PLAYS) * (CONTEXT_TRACKS + 1) + 4 * RECENT_PLAYS


@kernel
def _sum_pairs(
    recent: NDArray[np.int32], track: int, context: tuple[int, int], given: Table, sign: int
) -> None:
    """Add the pairs of a play with its context: so many tracks from a place of `recent` on.

    What has left `recent` meanwhile is not known any more.
    """
    place, length = context
    for j in range(length):
        if place + j >= len(recent):
            return
        other = int(recent[place + j])
        if other != track:
            add(given, (other << 32) | track, IN_TURN, sign * (WEIGHT_UNIT // (j + 1)))


@kernel
def sum_given(state: ListenerArrays, slot: int, albums: NDArray[np.int32], given: Table) -> None:
    """Add up what the retained plays of a listener gave. The table has room for GIVEN_SUMS_MAX.

    `albums` are those of the recent tracks, 0 where there is none.
    """
    meta, artists, passed = state.meta[slot], state.artists[slot], state.passed[slot]
    count, begins = int(meta[RECENT_COUNT]), meta[BEGINS]
    recent = state.recent[slot, :count]
    for p in range(count):
        track, artist, length = int(recent[p]), int(artists[p]), 0
        if meta[HELD_BACK] >> p & 1:  # it gave nothing
            continue
        while length < CONTEXT_TRACKS and p + length < count and not begins >> (p + length) & 1:
            length += 1
        add(given, (track << 32) | track, IN_TURN, 1)
        _sum_pairs(recent, track, (p + 1, length), given, 1)
        for group in (artist, int(albums[p])):
            if group != 0:
                add(given, (group << 32) | group, IN_TURN, 1)
                add(given, (group << 32) | track, ONE_SIDED, WEIGHT_UNIT)
    applied = meta[PLAYS] - meta[PASSED_COUNT]
    for i in range(min(meta[PASSED_COUNT], len(passed))):
        track = int(passed[i, 0])
        if track == 0:
            continue
        place, length = passed[i, 1] >> CONTEXT_BITS, passed[i, 1] & ((1 << CONTEXT_BITS) - 1)
        add(given, (track << 32) | track, IN_TURN, 1)
        _sum_pairs(recent, track, (int(applied - place), int(length)), given, -1)


@kernel
def _subtract(
    ids: NDArray[np.int32],
    columns: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    at: int,
    given: tuple[int, int],
    hashes: NDArray[np.uint32],
    size: int,
) -> int:
    """Take a weight, and its part that came after, from a neighbour. Returns the size of the row.

    The fading weight keeps the share that the weight keeps. What is left with nothing leaves.
    """
    weights, forward, fading = columns
    before = weights[at]
    weights[at] -= given[0]
    forward[at] -= given[1]
    if before > 0 and weights[at] < before:
        fading[at] *= np.float32(max(weights[at], 0) / before)
    if weights[at] != 0 or forward[at] != 0:
        settle(ids, columns, at, size, hashes)
        return size
    for j in range(at, size - 1):
        ids[j] = ids[j + 1]
        weights[j] = weights[j + 1]
        forward[j] = forward[j + 1]
        fading[j] = fading[j + 1]
    ids[size - 1] = 0
    return size - 1


@kernel
def take_back(
    rows: RowArrays,
    slot_of: NDArray[np.int32],
    plays: tuple[NDArray[np.int32], NDArray[np.int64]],
    pairs: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint8]],
    hashes: NDArray[np.uint32],
    journal: Journal,
) -> None:
    """Subtract plays from tracks, and weights from rows. Rare, so not shaped for speed.

    A row that was evicted took with it what it was given, and so did a neighbour that left a full
    row: there is nothing to subtract from. Sums are of whole numbers and may pass 0, as by skips,
    so they do not depend on the order of events; plays of a row that began anew stop at 0.
    """
    tracks, counts = plays
    for i in range(len(tracks)):
        slot = int(slot_of[tracks[i]]) - 1
        if slot >= 0:
            mark_changed(rows, journal, slot)
            rows.plays[slot] = max(0, rows.plays[slot] - counts[i])
    left, right, weight, ahead = pairs
    for i in range(len(left)):
        slot = int(slot_of[left[i]]) - 1
        if slot < 0:
            continue
        ids, size = rows.ids[slot], int(rows.sizes[slot])
        columns = (rows.weights[slot], rows.forward[slot], rows.fading[slot])
        at = find(ids, size, int(right[i]))
        if at == size == len(ids):
            continue
        mark_changed(rows, journal, slot)
        if at == size:
            ids[at] = right[i]
            columns[0][at] = columns[1][at] = 0
            columns[2][at] = 0
            size += 1
        given = (int(weight[i]), int(weight[i] * ahead[i]))
        rows.sizes[slot] = _subtract(ids, columns, at, given, hashes, size)
