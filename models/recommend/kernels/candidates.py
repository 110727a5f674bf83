"""Kernels that find the tracks a list may hold, and what each source says of them.

Nine sources, each a sum that is 0 where it says nothing and never below, over the newest tracks
i_0, i_1, ... of the listener's session, d = 0.8 unless `Rates.decay` says otherwise, weights in
units of one play next to another:

    TOGETHER  sum of d ** k * weight(i_k, j) / sqrt(plays(i_k) + 1)
    LATELY    sum of d ** k * fading(i_k, j)
    AFTER     forward(i_0, j) / (plays(i_0) + 1)
    ARTIST    sum of d ** k * sqrt(plays(j) + 0.5) / sqrt(size), in the rows of the artist and album
              of i_k, as if each had the newest of the catalogue too, with no plays
    AGAIN     1 / (p + 1) at the newest place p of j among the listener's last 50 plays
    OFTEN     how often j is among them
    LOOP      sum of 0.9 ** p over the places p where j came right after what i_0 is
    POPULAR   decayed plays in the listener's market, for the first 32
    AUDIO     sum of d ** k * similarity(i_k, j), by the audio neighbours of i_k

A tenth names none, but says how well each candidate fits the listener's taste:

    TASTE     v_j . h + level of j, and v_j . h' alone, by the embedding (`kernels.embedding`): h
              the mean vector of the listener's last 30 distinct tracks, h' of the last 5
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.audio import has_audio
from models.recommend.kernels.compiling import allocating, kernel
from models.recommend.kernels.content import ALBUM_COLUMN, Content, is_known
from models.recommend.kernels.listener import (
    CONTEXT_USED,
    MARKET,
    RECENT_COUNT,
    SESSION_LENGTH,
    WEIGHT_UNIT,
    ListenerArrays,
)
from models.recommend.kernels.scene import EVERYTHING, NOTHING, Popular, Scene, market_row
from models.recommend.kernels.taste import fit

__all__ = [
    "POPULAR_CANDIDATES",
    "SOURCE_COUNT",
    "Candidates",
    "clear_candidates",
    "gather",
    "new_candidates",
]

TOGETHER: Final = 0
LATELY: Final = 1
AFTER: Final = 2
ARTIST: Final = 3
AGAIN: Final = 4
OFTEN: Final = 5
LOOP: Final = 6
POPULAR: Final = 7
AUDIO: Final = 8  # the last, so that who knows of no sound leaves it out
SOURCE_COUNT: Final = 9  # those that are sums
TASTE: Final = 9

# Columns of Candidates.table and Candidates.known.
TRACK: Final = 0
NUMBER: Final = 1
PLACE: Final = 1
BECAUSE: Final = 2  # the place in the session of the track with the most of TOGETHER, or NOTHING
BY_ARTIST: Final = 3  # the first place in the session of its artist, or NOTHING
BY_SOUND: Final = 4  # the place of the track with the most of AUDIO; nothing where that is 0

POPULAR_CANDIDATES: Final = 32
UNPLAYED_CANDIDATES: Final = 8  # of each artist and album of a session, by the catalogue
_LOOP_DECAY: Final = 0.9


class Candidates(NamedTuple):
    """Candidates of one listener, numbered from 0; found by an open-addressing table of ids."""

    table: NDArray[np.int32]  # TRACK and NUMBER
    known: NDArray[np.int32]  # TRACK, PLACE in the table, BECAUSE, BY_ARTIST, BY_SOUND; by number
    share: NDArray[np.float32]  # how much the context track says that BECAUSE names
    likeness: NDArray[np.float32]  # the same of BY_SOUND
    sums: NDArray[np.float32]  # by source
    tastes: NDArray[np.float32]  # the taste of all the listener's tracks, and of the last
    own: NDArray[np.int32]  # the listener's distinct tracks, newest first
    albums: NDArray[np.int32]  # of the context, 0 where there is none
    means: NDArray[np.float32]  # of the vectors of all of them, and of the last
    scores: NDArray[np.float32]  # by list


@allocating
def new_candidates(scene: Scene, recent: int) -> Candidates:
    """Room for all that `gather` may find; `recent` is how many plays a listener's memory holds."""
    most = 2 * CONTEXT_USED * scene.rows.ids.shape[1] + recent + POPULAR_CANDIDATES
    if is_known(scene.content):
        most += CONTEXT_USED * (scene.rows.ids.shape[1] + 2 * UNPLAYED_CANDIDATES)
    if has_audio(scene.audio):
        most += CONTEXT_USED * scene.audio.ids.shape[1]
    room = 64
    while room < 2 * most:
        room *= 2
    return Candidates(
        np.zeros((room, 2), np.int32),
        np.empty((5, most), np.int32),
        np.empty(most, np.float32),
        np.empty(most, np.float32),
        np.zeros((SOURCE_COUNT, most), np.float32),
        np.empty((2, most), np.float32),
        np.empty(recent, np.int32),
        np.empty(CONTEXT_USED, np.int32),
        np.empty((2, scene.taste.vectors.shape[1]), np.float32),
        np.empty((2, most), np.float32),
    )


@kernel
def clear_candidates(c: Candidates, count: int) -> None:
    """Forget all candidates. O(count), not O(room)."""
    for i in range(count):
        c.table[c.known[PLACE, i], TRACK] = 0
    for s in range(SOURCE_COUNT):
        c.sums[s, :count] = 0


@kernel
def _number(table: NDArray[np.int32], known: NDArray[np.int32], track: int, count: int) -> int:
    """The number of a track; `count`, and a place, if it is new."""
    mask = len(table) - 1
    at = (track * 0x61C88647 >> 7) & mask
    while table[at, TRACK] != 0 and table[at, TRACK] != track:
        at = (at + 1) & mask
    if table[at, TRACK] == 0:
        table[at, TRACK] = track
        table[at, NUMBER] = count
        known[PLACE, count] = at
        known[TRACK, count] = track
        known[BECAUSE, count] = NOTHING
        known[BY_ARTIST, count] = NOTHING
    return int(table[at, NUMBER])


@kernel
def _gather_rows(c: Candidates, scene: Scene, recent: NDArray[np.int32], length: int) -> int:
    """What the rows of the context say. Returns the number of candidates."""
    table, known, best, rows = c.table, c.known, c.share, scene.rows
    together, lately, after = c.sums[TOGETHER], c.sums[LATELY], c.sums[AFTER]
    slot_of, sizes, plays, row_ids = rows.slot_of, rows.sizes, rows.plays, rows.ids
    row_weights, row_forward, row_fading = rows.weights, rows.forward, rows.fading
    none, mask = np.float32(0), len(table) - 1
    count, factor, decay = 0, 1.0, scene.rules.rates.decay
    for k in range(length):
        slot = slot_of[recent[k]] - 1
        if slot >= 0:
            row, size = row_ids[slot], sizes[slot]
            weights, fading, forward = row_weights[slot], row_fading[slot], row_forward[slot]
            share = np.float32(factor / math.sqrt(plays[slot] + 1.0) / WEIGHT_UNIT)
            fade = np.float32(factor / WEIGHT_UNIT)
            ahead = np.float32(1.0 / (plays[slot] + 1.0) / WEIGHT_UNIT) if k == 0 else none
            for j in range(size):
                if weights[j] <= 0:  # skipped more than played, and so are those after it
                    break
                track = row[j]  # what _number does: a call would cost more than all the rest
                at = (track * 0x61C88647 >> 7) & mask
                while table[at, TRACK] != 0 and table[at, TRACK] != track:
                    at = (at + 1) & mask
                if table[at, TRACK] == 0:
                    table[at, TRACK] = track
                    table[at, NUMBER] = count
                    known[PLACE, count] = at
                    known[TRACK, count] = track
                    known[BY_ARTIST, count] = NOTHING
                    best[count] = none
                    count += 1
                i = table[at, NUMBER]
                amount = share * np.float32(weights[j])
                if amount > best[i]:
                    known[BECAUSE, i] = k
                    best[i] = amount
                together[i] += amount
                lately[i] += fade * max(fading[j], none)
                after[i] += ahead * max(np.float32(forward[j]), none)
        factor *= decay
    return count


@kernel
def _factor(groups: NDArray[np.int32], k: int, length: int, decay: float) -> float:
    """What all tracks of a group count together; 0 if there is none, or it came before."""
    factor, power = 0.0, 1.0
    for other in range(length):
        if groups[other] == groups[k]:
            if other < k or groups[k] == 0:
                return 0.0
            factor += power
        power *= decay
    return factor


@kernel
def _gather_groups(
    c: Candidates, scene: Scene, groups: NDArray[np.int32], length: int, count: int
) -> int:
    """Tracks of the artists, or of the albums, of the context, which are `length`."""
    table, known, rows, sums = c.table, c.known, scene.rows, c.sums[ARTIST]
    for k in range(length):
        factor = _factor(groups, k, length, scene.rules.rates.decay)
        if factor == 0:
            continue
        slot = rows.slot_of[groups[k]] - 1
        size = int(rows.sizes[slot]) if slot >= 0 else 0
        share = factor / math.sqrt(float(max(size, 1)))
        for j in range(size):
            if rows.weights[slot, j] <= 0:
                break
            i = _number(table, known, int(rows.ids[slot, j]), count)
            if i == count:
                count += 1
            if known[BY_ARTIST, i] == NOTHING:
                known[BY_ARTIST, i] = k
            plays = rows.weights[slot, j] / WEIGHT_UNIT
            sums[i] += np.float32(share * math.sqrt(plays + 0.5))
        if is_known(scene.content):
            count = _gather_unplayed(c, scene.content, int(groups[k]), (k, share), count)
    return count


@kernel
def _gather_unplayed(
    c: Candidates, content: Content, group: int, spoke: tuple[int, float], count: int
) -> int:
    """The newest tracks of a group that nothing names by now; `spoke` is who does, and how much."""
    table, known, sums, (k, share) = c.table, c.known, c.sums[ARTIST], spoke
    place, left = content.place_of[group], UNPLAYED_CANDIDATES
    for j in range(content.sizes[place]):
        i = _number(table, known, int(content.members[place, j]), count)
        count = max(count, i + 1)
        if sums[i] > 0:
            continue
        sums[i] = np.float32(share * math.sqrt(0.5))
        if known[BY_ARTIST, i] == NOTHING:
            known[BY_ARTIST, i] = k
        left -= 1
        if left == 0:
            break
    return count


@kernel
def _gather_albums(
    c: Candidates, scene: Scene, recent: NDArray[np.int32], length: int, count: int
) -> int:
    """Tracks of the albums of the context."""
    content = scene.content
    for k in range(length):
        c.albums[k] = content.groups[content.slot_of[recent[k]], ALBUM_COLUMN]
    return _gather_groups(c, scene, c.albums, length, count)


@kernel
def _gather_own(
    c: Candidates, recent: NDArray[np.int32], length: int, count: int
) -> tuple[int, int]:
    """What the listener played before. Returns the number of candidates, and of own tracks."""
    table, known, own, distinct = c.table, c.known, c.own, 0
    again, often, loop = c.sums[AGAIN], c.sums[OFTEN], c.sums[LOOP]
    power, newer = 1.0, -1
    for p in range(length):
        i = _number(table, known, int(recent[p]), count)
        if i == count:
            count += 1
        if again[i] == 0:
            again[i] = np.float32(1.0 / (p + 1))
            own[distinct] = recent[p]
            distinct += 1
        often[i] += np.float32(1.0)
        if p > 0 and recent[p] == recent[0]:
            loop[newer] += np.float32(power)
        power *= _LOOP_DECAY
        newer = i
    return count, distinct


@kernel
def _gather_popular(c: Candidates, popular: Popular, market: int, count: int) -> int:
    """What is played most in the market."""
    table, known = c.table, c.known
    sums, row = c.sums[POPULAR], market_row(popular, market)
    tracks, scores, mask = popular.ids[row], popular.scores[row], len(table) - 1
    for j in range(min(POPULAR_CANDIDATES, popular.sizes[row])):
        track = tracks[j]  # what _number does, as above
        at = (track * 0x61C88647 >> 7) & mask
        while table[at, TRACK] != 0 and table[at, TRACK] != track:
            at = (at + 1) & mask
        if table[at, TRACK] == 0:
            table[at, TRACK] = track
            table[at, NUMBER] = count
            known[PLACE, count] = at
            known[TRACK, count] = track
            known[BECAUSE, count] = NOTHING
            known[BY_ARTIST, count] = NOTHING
            count += 1
        sums[table[at, NUMBER]] = np.float32(scores[j])
    return count


@kernel
def _gather_audio(
    c: Candidates, scene: Scene, recent: NDArray[np.int32], length: int, count: int
) -> int:
    """What sounds like the tracks of the context."""
    audio, sums, likeness, factor = scene.audio, c.sums[AUDIO], c.likeness, 1.0
    for k in range(length):
        slot = audio.slot_of[recent[k]] - 1
        for j in range(audio.sizes[slot] if slot >= 0 else 0):
            i = _number(c.table, c.known, int(audio.ids[slot, j]), count)
            count = max(count, i + 1)
            amount = np.float32(factor * audio.similarities[slot, j])
            if sums[i] == 0 or amount > likeness[i]:
                c.known[BY_SOUND, i] = k
                likeness[i] = amount
            sums[i] += amount
        factor *= scene.rules.rates.decay
    return count


@kernel
def gather(c: Candidates, state: ListenerArrays, slot: int, scene: Scene) -> int:
    """Collect the candidates of a listener; `c` is clear before. Returns how many there are."""
    meta, recent, left_out = state.meta[slot], state.recent[slot], scene.rules.left_out
    if left_out == EVERYTHING:
        return 0
    length = min(int(meta[SESSION_LENGTH]), CONTEXT_USED)
    count = _gather_rows(c, scene, recent, length)
    if left_out != ARTIST:
        count = _gather_groups(c, scene, state.artists[slot], length, count)
        if is_known(scene.content):
            count = _gather_albums(c, scene, recent, length, count)
    count, distinct = _gather_own(c, recent, int(meta[RECENT_COUNT]), count)
    if left_out != POPULAR:
        count = _gather_popular(c, scene.popular, int(meta[MARKET]), count)
    if left_out != AUDIO and has_audio(scene.audio):
        count = _gather_audio(c, scene, recent, length, count)
    if left_out == TASTE:
        c.tastes[:, :count] = 0
        return count
    fit(scene.taste, c.own[:distinct], c.known[TRACK, :count], c.means, c.tastes)
    if left_out != NOTHING:
        c.sums[left_out, :count] = 0
    return count
