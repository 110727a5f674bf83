"""Kernels of stage B: what plays and pairs do to the neighbour rows of tracks."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.ring import unlink
from models.recommend.kernels.slots import DIRTY, EVICTED, SLOT_COUNTERS, mark_used, take_slot

__all__ = [
    "DROPPED",
    "ROW_COUNTERS",
    "UNPUBLISHED",
    "Journal",
    "RowArrays",
    "admit_row",
    "clear_row",
    "find",
    "learn_rows",
    "mark_changed",
    "settle",
]

# Entries of RowArrays.counters, after those of slots.
DROPPED: Final = SLOT_COUNTERS  # neighbours that gave way to others
UNPUBLISHED: Final = SLOT_COUNTERS + 1  # entries of the journal
ROW_COUNTERS: Final = SLOT_COUNTERS + 2

FADING_HALF_LIFE: Final = 8
"""Plays of a track in which the fading weights of its row halve: a clock that suits a hit and a
rarity alike."""
FADING_GONE: Final = 1e-6
"""A fading weight below this is 0: numbers near the smallest are slow, and no number divides by
them."""


class RowArrays(NamedTuple):
    """Stage B. One row of neighbours per track's slot: by weight, equal ones by hash.

    Skips subtract, so a weight may be below 0; such neighbours count as absent in lists.
    """

    ids: NDArray[np.int32]
    weights: NDArray[np.int64]
    forward: NDArray[np.int64]  # the part of the weight that came after the track
    fading: NDArray[np.float32]  # weight that halves every 8 plays of the track
    sizes: NDArray[np.int32]
    plays: NDArray[np.int64]
    owner: NDArray[np.int32]
    artist: NDArray[np.int32]  # of the track, as a play named it last; 0 if none did
    links: NDArray[np.int32]
    dirty: NDArray[np.uint8]
    unpublished: NDArray[np.uint8]
    free: NDArray[np.int32]
    counters: NDArray[np.int64]


class Journal(NamedTuple):
    """What `learn_rows` reports: tracks evicted and slots to publish, counted in counters."""

    evicted: NDArray[np.int32]
    unpublished: NDArray[np.int32]


@kernel
def clear_row(rows: RowArrays, slot_of: NDArray[np.int32], slot: int) -> None:
    """Empty a track's slot and take it out of the ring; the slot is nobody's then."""
    slot_of[rows.owner[slot]] = 0
    rows.owner[slot] = 0
    rows.artist[slot] = 0
    rows.plays[slot] = 0
    rows.ids[slot, : rows.sizes[slot]] = 0  # else their names would be kept
    rows.sizes[slot] = 0
    if rows.dirty[slot]:
        rows.dirty[slot] = 0
        rows.counters[DIRTY] -= 1
    rows.unpublished[slot] = 0
    unlink(rows.links, slot)


@kernel
def admit_row(
    rows: RowArrays, slot_of: NDArray[np.int32], track: int, evicted: NDArray[np.int32]
) -> int:
    """The slot of a track; if all are taken, the one whose track was used longest ago."""
    counters = rows.counters
    if slot_of[track] != 0:
        return int(slot_of[track] - 1)
    slot = take_slot(rows.free, rows.links, counters)
    if rows.owner[slot] != 0:
        evicted[counters[EVICTED]] = rows.owner[slot]
        counters[EVICTED] += 1
        clear_row(rows, slot_of, slot)
    slot_of[track] = slot + 1
    rows.owner[slot] = track
    return slot


@kernel
def mark_changed(rows: RowArrays, journal: Journal, slot: int) -> None:
    """Make a slot the one used last, to be written to the changelog and to be published."""
    counters = rows.counters
    mark_used(rows.links, rows.dirty, counters, slot)
    if not rows.unpublished[slot]:
        rows.unpublished[slot] = 1
        journal.unpublished[counters[UNPUBLISHED]] = slot
        counters[UNPUBLISHED] += 1


@kernel
def find(ids: NDArray[np.int32], size: int, track: int) -> int:
    """Where a track stands, or `size`. No way out of the loop: so it is one of vectors."""
    found = size
    for j in range(size):
        if ids[j] == track:
            found = j
    return found


@kernel
def settle(
    ids: NDArray[np.int32],
    columns: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    at: int,
    size: int,
    hashes: NDArray[np.uint32],
) -> None:
    """Move a neighbour that changed to its place: by weight, equal ones by hash."""
    weights, forward, fading = columns
    track, weight, ahead, fades = ids[at], weights[at], forward[at], fading[at]
    own = hashes[track]
    while at + 1 < size and (
        weights[at + 1] > weight or (weights[at + 1] == weight and hashes[ids[at + 1]] < own)
    ):
        ids[at] = ids[at + 1]
        weights[at] = weights[at + 1]
        forward[at] = forward[at + 1]
        fading[at] = fading[at + 1]
        at += 1
    while at > 0 and (
        weights[at - 1] < weight or (weights[at - 1] == weight and hashes[ids[at - 1]] > own)
    ):
        ids[at] = ids[at - 1]
        weights[at] = weights[at - 1]
        forward[at] = forward[at - 1]
        fading[at] = fading[at - 1]
        at -= 1
    ids[at] = track
    weights[at] = weight
    forward[at] = ahead
    fading[at] = fades


@kernel
def _fade(fading: NDArray[np.float32], plays: int) -> None:
    factor, gone = np.float32(2.0 ** (-float(plays) / FADING_HALF_LIFE)), np.float32(FADING_GONE)
    for j in range(len(fading)):
        faded = fading[j] * factor
        fading[j] = faded if abs(faded) >= gone else np.float32(0)


@kernel
def _add_plays(
    rows: RowArrays,
    slot_of: NDArray[np.int32],
    plays: tuple[NDArray[np.int32], NDArray[np.int64]],
    journal: Journal,
) -> None:
    """Count plays of tracks; their rows fade."""
    sizes, row_plays, row_fading = rows.sizes, rows.plays, rows.fading
    tracks, counts = plays
    for i in range(len(tracks)):
        place = int(slot_of[tracks[i]])
        slot = place - 1 if place else admit_row(rows, slot_of, int(tracks[i]), journal.evicted)
        mark_changed(rows, journal, slot)
        row_plays[slot] += counts[i]
        _fade(row_fading[slot, : sizes[slot]], int(counts[i]))


@kernel
def learn_rows(
    rows: RowArrays,
    slot_of: NDArray[np.int32],
    plays: tuple[NDArray[np.int32], NDArray[np.int64]],
    pairs: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint8]],
    hashes: NDArray[np.uint32],
    journal: Journal,
) -> None:
    """Add plays to tracks, then weights to rows, which fade by those plays.

    A full row gives up its last, lightest neighbour for a new one, unless that comes with nothing
    or less.
    """
    _add_plays(rows, slot_of, plays, journal)
    row_ids, row_weights, sizes, counters = rows.ids, rows.weights, rows.sizes, rows.counters
    row_forward, row_fading = rows.forward, rows.fading
    left, right, weight, ahead = pairs
    slot = 0
    for i in range(len(left)):
        if i == 0 or left[i] != left[i - 1]:
            place = int(slot_of[left[i]])
            slot = place - 1 if place else admit_row(rows, slot_of, int(left[i]), journal.evicted)
            mark_changed(rows, journal, slot)
        ids, weights, size = row_ids[slot], row_weights[slot], int(sizes[slot])
        forward, fading = row_forward[slot], row_fading[slot]
        at = find(ids, size, int(right[i]))
        if at == size:
            if size == len(ids):
                counters[DROPPED] += 1
                if weight[i] <= 0:
                    continue
                at = size - 1
            else:
                size += 1
                sizes[slot] = size
            ids[at] = right[i]
            weights[at] = forward[at] = 0
            fading[at] = 0
        weights[at] += weight[i]
        forward[at] += weight[i] * ahead[i]
        fading[at] += np.float32(weight[i])
        settle(ids, (weights, forward, fading), at, size, hashes)
