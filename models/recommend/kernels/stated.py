"""What a listener is shown who never played anything but stated a taste: tracks of it, in turn.

A group is what the listener named: an artist, a genre or a language. Its tracks are those of its
row, heaviest first; then, by the catalogue, those trending in the market, and the newest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.candidates import TASTE
from models.recommend.kernels.compiling import allocating, kernel
from models.recommend.kernels.content import GROUP_TRACKS, Content, is_known
from models.recommend.kernels.listener import (
    KEPT,
    MARKET,
    RECENT_COUNT,
    SAID,
    SAID_COUNT,
    STATEMENT,
    TASTE_ARTIST,
    TASTE_GENRE,
    TASTE_LANGUAGE,
    ListenerArrays,
)
from models.recommend.kernels.memory import Memory, mark_allowed
from models.recommend.kernels.rows import find
from models.recommend.kernels.scene import NOTHING, RowSource, Scene, market_row
from models.recommend.kernels.variety import Entries, count_of_artist

__all__ = ["STATED", "Turns", "find_stated", "new_turns", "take_turns"]

STATED: Final = TASTE + 1
"""The source of these entries, behind those that the rankers weigh."""
ROUND_SCORE: Final = 0.8
"""What the entries of a round of groups score, against those of the round before."""
_GROUPS_MAX: Final = KEPT[TASTE_ARTIST] + KEPT[TASTE_GENRE] + KEPT[TASTE_LANGUAGE]


class Turns(NamedTuple):
    """Working memory: what each list may show of each group."""

    tracks: NDArray[np.int32]  # [list, group, round]
    sizes: NDArray[np.int32]  # [list, group]
    allowed: NDArray[np.uint8]  # by list: whether it may hold a track that is looked at


@allocating
def new_turns(scene: Scene, length: int) -> Turns:
    """Room for what lists of `length` may hold."""
    most = max(scene.rows.ids.shape[1], scene.popular.ids.shape[1], GROUP_TRACKS)
    return Turns(
        np.zeros((2, _GROUPS_MAX, length), np.int32),
        np.zeros((2, _GROUPS_MAX), np.int32),
        np.zeros((2, most), np.uint8),
    )


@kernel
def _is_of(content: Content, group: int, track: int) -> bool:
    """Whether the catalogue has a track in a group."""
    groups = content.groups[content.slot_of[track]]
    return find(groups, len(groups), group) < len(groups)


@kernel
def _note_tracks(
    turns: Turns,
    at: tuple[int, int],
    tracks: NDArray[np.int32],
    memory: Memory,
    scene: Scene,
) -> None:
    """Note tracks that the lists may hold, as many as there is room for.

    `at` is the number of their group, and its name where only tracks of it count, else 0.
    """
    found, sizes, may = turns
    (number, group), most = at, scene.rules.artist_tracks_max
    mark_allowed(memory, tracks, (scene.hashes, scene.artists), may[0], may[1])
    for kind in range(2):
        noted, size, allowed = found[kind, number], int(sizes[kind, number]), may[kind]
        for j in range(len(tracks)):
            track = int(tracks[j])
            if size == len(noted):
                break
            if not allowed[j] or (group and not _is_of(scene.content, group, track)):
                continue
            if find(noted, size, track) < size:
                continue
            if most and count_of_artist(scene.artists, noted, size, track) >= most:
                continue
            noted[size] = track
            size += 1
        sizes[kind, number] = size


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
    memory: Memory,
) -> int:
    """Find tracks of what a listener named, as far as rows and catalogue are here.

    The memory is the listener's. Returns how many groups there are; none once the listener played
    something.
    """
    meta, rows, content, popular = state.meta[slot], scene.rows, scene.content, scene.popular
    if meta[SAID_COUNT] == 0 or meta[RECENT_COUNT] > 0:
        return 0
    said, sizes, count = state.said[meta[SAID] - 1 :], turns.sizes, 0
    market = market_row(popular, int(meta[MARKET]))
    for i in range(meta[SAID_COUNT]):
        kind, name = said[i, STATEMENT] >> 32, int(said[i, STATEMENT] & 0xFFFFFFFF)
        if kind not in (TASTE_ARTIST, TASTE_GENRE, TASTE_LANGUAGE):
            continue
        sizes[:, count] = 0
        row = rows.slot_of[name] - 1
        if row >= 0:
            tracks = rows.ids[row, : _shown(rows, row)]
            _note_tracks(turns, (count, 0), tracks, memory, scene)
        if is_known(content):
            tracks = popular.ids[market, : popular.sizes[market]]
            _note_tracks(turns, (count, name), tracks, memory, scene)
            place = content.place_of[name]
            tracks = content.members[place, : content.sizes[place]]
            _note_tracks(turns, (count, 0), tracks, memory, scene)
        count += sizes[0, count] + sizes[1, count] > 0
    return count


@kernel
def take_turns(turns: Turns, groups: int, kind: int, entries: Entries, scene: Scene) -> int:
    """Write down the first track of each group, then the second of each; returns how many."""
    found, sizes, (ids, scores, sources, because) = turns.tracks, turns.sizes, entries
    size, score, most = 0, 1.0, scene.rules.artist_tracks_max
    for turn in range(found.shape[2]):
        for group in range(groups):
            if size == len(ids) or turn >= sizes[kind, group]:
                continue
            track = int(found[kind, group, turn])
            if find(ids, size, track) < size:
                continue
            if most and count_of_artist(scene.artists, ids, size, track) >= most:
                continue
            ids[size], scores[size] = track, score
            sources[size], because[size] = STATED, NOTHING
            size += 1
        score *= ROUND_SCORE
    return size
