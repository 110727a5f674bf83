"""Kernels that turn context, rows and trends into lists. They change nothing but the lists served.

    score(j) = sum over k of decay ** k * weight(i_k, j) / sqrt(plays(i_k) + 1)

over the newest tracks i_0, i_1, ... of the listener's session.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.recommend.kernels.listening import (
    BLOCKED_COUNT,
    HEARD_COUNT,
    LAST_TRACK,
    RECENT_COUNT,
    SERVED_TRACKS,
    SESSION_LENGTH,
    ListenerArrays,
)

__all__ = ["DISCOVER", "NEXT", "Popular", "RowSource", "ServedArrays", "ServingRules", "serve"]

NEXT: Final = 0
DISCOVER: Final = 1
_HEARD_ROOM: Final = 1024  # at least twice what a listener's memory holds


class RowSource(NamedTuple):
    """Neighbour rows by track. `slot_of` is indexed by track id and holds slot + 1, or 0."""

    slot_of: NDArray[np.int32]
    ids: NDArray[np.int32]
    weights: NDArray[np.int64]
    sizes: NDArray[np.int32]
    plays: NDArray[np.int64]


class Popular(NamedTuple):
    """Trending tracks, most played first: one row per market. Row 0 is the world."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float64]
    sizes: NDArray[np.int32]


class ServedArrays(NamedTuple):
    """The lists of a batch: [listener, NEXT or DISCOVER, place]. Rows gave the first `similar`."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float64]
    sizes: NDArray[np.int32]
    similar: NDArray[np.int32]


class ServingRules(NamedTuple):
    """How many context tracks are used, what each older one counts, and what lists leave out."""

    context_tracks: int
    decay: float
    filtered: bool  # without the track just played


class _Scores(NamedTuple):
    """Candidates of one listener: an open-addressing table, cleared by `order`."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float64]
    order: NDArray[np.int32]


class _Memory(NamedTuple):
    """What one listener's lists may not hold."""

    barred: NDArray[np.int32]
    barred_count: int
    heard: NDArray[np.uint32]  # a set by open addressing; 0 is a gap
    heard_zero: bool
    hashes: NDArray[np.uint32]


@njit(cache=True, nogil=True)
def _gather(
    table: _Scores,
    rows: RowSource,
    recent: NDArray[np.int32],
    length: int,
    rules: ServingRules,
) -> int:
    """Sum up the rows of the context. Returns the number of candidates."""
    ids, scores, order = table.ids, table.scores, table.order
    mask = len(ids) - 1
    size = 0
    factor = 1.0
    for k in range(min(length, rules.context_tracks)):
        slot = rows.slot_of[recent[k]] - 1
        if slot >= 0:
            share = factor / math.sqrt(rows.plays[slot] + 1.0)
            row, weights = rows.ids[slot], rows.weights[slot]
            for j in range(rows.sizes[slot]):
                track = row[j]
                at = (track * 0x61C88647 >> 7) & mask
                while ids[at] != 0 and ids[at] != track:
                    at = (at + 1) & mask
                if ids[at] == 0:
                    ids[at] = track
                    scores[at] = 0.0
                    order[size] = at
                    size += 1
                scores[at] += share * weights[j]
        factor *= rules.decay
    return size


@njit(cache=True, nogil=True)
def _fill_heard(heard: NDArray[np.uint32], count: int, places: NDArray[np.uint32]) -> bool:
    """Put the heard hashes into a set. Returns whether the hash 0, which means a gap, is one."""
    places[:] = 0
    mask = np.uint32(len(places) - 1)
    zero = False
    for i in range(count):
        if heard[i] == 0:
            zero = True
            continue
        at = heard[i] & mask
        while places[at] != 0:
            at = (at + np.uint32(1)) & mask
        places[at] = heard[i]
    return zero


@njit(cache=True, nogil=True)
def _was_heard(places: NDArray[np.uint32], zero: bool, track_hash: int) -> bool:
    if track_hash == 0:
        return zero
    mask = np.uint32(len(places) - 1)
    at = np.uint32(track_hash) & mask
    while places[at] != 0:
        if places[at] == track_hash:
            return True
        at = (at + np.uint32(1)) & mask
    return False


@njit(cache=True, nogil=True)
def _fill_barred(state: ListenerArrays, slot: int, filtered: bool, out: NDArray[np.int32]) -> int:
    """Write down what no list may hold: what is blocked, and what was just played. How many."""
    meta = state.meta[slot]
    count = int(meta[BLOCKED_COUNT])
    for i in range(count):
        out[i] = state.blocked[slot, i]
    if filtered:
        out[count] = meta[LAST_TRACK]
        out[count + 1] = state.recent[slot, 0] if meta[RECENT_COUNT] > 0 else meta[LAST_TRACK]
        count += 2
    return count


@njit(cache=True, nogil=True)
def _is_among(ids: NDArray[np.int32], count: int, track: int) -> bool:
    for i in range(count):  # noqa: SIM110  # compiled, a loop is what any() becomes
        if ids[i] == track:
            return True
    return False


@njit(cache=True, nogil=True)
def _comes_before(
    entry: tuple[int, float], other: tuple[int, float], hashes: NDArray[np.uint32]
) -> bool:
    """The order of a list: by score, then hash, then id."""
    if entry[1] != other[1]:
        return entry[1] > other[1]
    if hashes[entry[0]] != hashes[other[0]]:
        return bool(hashes[entry[0]] < hashes[other[0]])
    return entry[0] < other[0]


@njit(cache=True, nogil=True)
def _insert(
    ids: NDArray[np.int32],
    scores: NDArray[np.float64],
    size: int,
    entry: tuple[int, float],
    hashes: NDArray[np.uint32],
) -> int:
    """Put a candidate where it belongs in a list, if it does. Returns the list's new size."""
    at = size
    while at > 0 and _comes_before(entry, (ids[at - 1], scores[at - 1]), hashes):
        at -= 1
    if at == len(ids):
        return size
    size = min(size + 1, len(ids))
    for j in range(size - 1, at, -1):
        ids[j] = ids[j - 1]
        scores[j] = scores[j - 1]
    ids[at] = entry[0]
    scores[at] = entry[1]
    return size


@njit(cache=True, nogil=True)
def _serve_popular(
    out: ServedArrays, at: tuple[int, int], popular: Popular, market: int, memory: _Memory
) -> None:
    """Fill a list up with a market's trends, under scores that continue below its last one."""
    i, kind = at
    ids, scores = out.ids[i, kind], out.scores[i, kind]
    size = int(out.sizes[i, kind])
    barred, heard, hashes = memory.barred, memory.heard, memory.hashes
    base = scores[size - 1] if size > 0 else 1.0
    highest = max(popular.scores[market, 0], 1e-300)
    for j in range(popular.sizes[market]):
        if size == len(ids):
            break
        track = int(popular.ids[market, j])
        if _is_among(ids, size, track) or _is_among(barred, memory.barred_count, track):
            continue
        if kind == DISCOVER and _was_heard(heard, memory.heard_zero, int(hashes[track])):
            continue
        ids[size] = track
        scores[size] = base * popular.scores[market, j] / highest
        size += 1
    out.sizes[i, kind] = size


@njit(cache=True, nogil=True)
def _serve_similar(out: ServedArrays, i: int, table: _Scores, count: int, memory: _Memory) -> None:
    """Take the best candidates into both lists, and clear the table of candidates."""
    # Locals, since each look into a tuple of arrays inside the loop would count references.
    table_ids, table_scores, order = table.ids, table.scores, table.order
    barred, heard, hashes = memory.barred, memory.heard, memory.hashes
    next_ids, next_scores = out.ids[i, NEXT], out.scores[i, NEXT]
    new_ids, new_scores = out.ids[i, DISCOVER], out.scores[i, DISCOVER]
    room = len(new_ids)
    next_size, new_size = 0, 0
    for c in range(count):
        at = order[c]
        entry = (int(table_ids[at]), float(table_scores[at]))
        table_ids[at] = 0
        # What `discover` holds `next` could hold too, so its last score is the lower bar of both.
        if new_size == room and entry[1] < new_scores[room - 1]:
            continue
        if _is_among(barred, memory.barred_count, entry[0]):
            continue
        next_size = _insert(next_ids, next_scores, next_size, entry, hashes)
        if not _was_heard(heard, memory.heard_zero, int(hashes[entry[0]])):
            new_size = _insert(new_ids, new_scores, new_size, entry, hashes)
    out.sizes[i, NEXT] = out.similar[i, NEXT] = next_size
    out.sizes[i, DISCOVER] = out.similar[i, DISCOVER] = new_size


@njit(cache=True, nogil=True)
def _remember(
    state: ListenerArrays, slot: int, ids: NDArray[np.int32], popular: NDArray[np.int32]
) -> None:
    """Keep what was served, to test the next play against it."""
    served = state.served[slot]
    for j in range(SERVED_TRACKS):
        served[j] = ids[j] if j < len(ids) else 0
        served[SERVED_TRACKS + j] = popular[j] if j < len(popular) else 0


@njit(cache=True, nogil=True)
def serve(
    state: ListenerArrays,
    who: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint32]],
    rows: RowSource,
    popular: Popular,
    rules: ServingRules,
    out: ServedArrays,
) -> None:
    """Both lists of each listener. `who` is slots, rows of their markets (-1: none), and hashes."""
    slots, markets, hashes = who
    room = 64
    while room < 2 * rules.context_tracks * rows.ids.shape[1]:
        room *= 2
    table = _Scores(np.zeros(room, np.int32), np.empty(room), np.empty(room, np.int32))
    heard = np.zeros(_HEARD_ROOM, np.uint32)
    barred = np.empty(2 + state.blocked.shape[1], np.int32)
    for i in range(len(slots)):
        slot, market = int(slots[i]), int(markets[i])
        meta = state.meta[slot]
        zero = _fill_heard(state.heard[slot], int(meta[HEARD_COUNT]), heard)
        barred_count = _fill_barred(state, slot, rules.filtered, barred)
        memory = _Memory(barred, barred_count, heard, zero, hashes)
        count = _gather(table, rows, state.recent[slot], int(meta[SESSION_LENGTH]), rules)
        _serve_similar(out, i, table, count, memory)
        for kind in range(2):
            if market >= 0:
                _serve_popular(out, (i, kind), popular, market, memory)
            _serve_popular(out, (i, kind), popular, 0, memory)
        shown = market if market >= 0 and popular.sizes[market] > 0 else 0
        size = out.sizes[i, NEXT]
        _remember(state, slot, out.ids[i, NEXT, :size], popular.ids[shown, : popular.sizes[shown]])
