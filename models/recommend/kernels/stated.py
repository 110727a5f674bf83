"""What a listener is shown who never played anything but named artists: their tracks, in turn."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.candidates import NOTHING, TASTE, RowSource, Scene
from models.recommend.kernels.compiling import allocating, kernel
from models.recommend.kernels.listener import (
    KEPT,
    RECENT_COUNT,
    SAID,
    SAID_COUNT,
    STATEMENT,
    TASTE_ARTIST,
    ListenerArrays,
)
from models.recommend.kernels.memory import mark_allowed
from models.recommend.kernels.ranking import Bench
from models.recommend.kernels.rows import find
from models.recommend.kernels.variety import Entries

__all__ = ["STATED", "Turns", "find_stated", "new_turns", "take_turns"]

STATED: Final = TASTE + 1
"""The source of these entries, behind those that the rankers weigh."""
ROUND_SCORE: Final = 0.8
"""What the entries of a round of artists score, against those of the round before."""

Turns = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Tracks of each artist for each list, [list, artist, round], and how many: [list, artist]."""


@allocating
def new_turns(length: int) -> Turns:
    """Room for what lists of `length` may hold."""
    artists = KEPT[TASTE_ARTIST]
    return np.zeros((2, artists, length), np.int32), np.zeros((2, artists), np.int32)


@kernel
def _note_tracks(
    turns: Turns, artist: int, tracks: NDArray[np.int32], allowed: NDArray[np.uint8], most: int
) -> None:
    """Note the first of an artist's tracks that the lists may hold, `most` for each."""
    found, sizes = turns
    for kind in range(2):
        size = 0
        for j in range(len(tracks)):
            if size < most and allowed[kind, j]:
                found[kind, artist, size] = tracks[j]
                size += 1
        sizes[kind, artist] = size


@kernel
def _shown(rows: RowSource, slot: int) -> int:
    """How many neighbours of a row are above 0: they stand first."""
    size = 0
    while size < rows.sizes[slot] and rows.weights[slot, size] > 0:
        size += 1
    return size


@kernel
def find_stated(
    turns: Turns,
    state: ListenerArrays,
    slot: int,
    scene: Scene,
    bench: Bench,
) -> int:
    """Find tracks of the artists that a listener named and whose rows are here.

    The memory of `bench` is the listener's. Returns how many artists there are; none once the
    listener played something.
    """
    meta, rows = state.meta[slot], scene.rows
    if meta[SAID_COUNT] == 0 or meta[RECENT_COUNT] > 0:
        return 0
    said, allowed = state.said[meta[SAID] - 1 :], bench.allowed
    most = scene.rules.artist_tracks_max if scene.rules.artist_tracks_max else turns[0].shape[2]
    count = 0
    for i in range(meta[SAID_COUNT]):
        if said[i, STATEMENT] >> 32 != TASTE_ARTIST:
            continue
        row = rows.slot_of[said[i, STATEMENT] & 0xFFFFFFFF] - 1
        if row < 0:
            continue
        tracks = rows.ids[row, : _shown(rows, row)]
        mark_allowed(bench.memory, tracks, (scene.hashes, scene.artists), allowed[0], allowed[1])
        _note_tracks(turns, count, tracks, allowed, min(most, turns[0].shape[2]))
        count += 1
    return count


@kernel
def take_turns(turns: Turns, artists: int, kind: int, entries: Entries) -> int:
    """Write down the first track of each artist, then the second of each; returns how many."""
    (found, sizes), (ids, scores, sources, because) = turns, entries
    size, score = 0, 1.0
    for turn in range(found.shape[2]):
        for artist in range(artists):
            if size == len(ids) or turn >= sizes[kind, artist]:
                continue
            track = found[kind, artist, turn]
            if find(ids, size, int(track)) < size:
                continue
            ids[size], scores[size] = track, score
            sources[size], because[size] = STATED, NOTHING
            size += 1
        score *= ROUND_SCORE
    return size
