"""Kernels of stage A: what a play does to its listener, and what other stages learn of it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.recommend.kernels.ring import link_newest
from models.recommend.kernels.table import Table, add

WEIGHT_UNIT: Final = 2520  # the least common multiple of 1 to 10: every share of it is whole
CONTEXT_TRACKS: Final = 10
SERVED_TRACKS: Final = 10

APPLIED: Final = 0
DUPLICATE: Final = 1
LATE: Final = 2
SKIPPED: Final = 3

# Columns of ListenerArrays.meta.
PLAYS: Final = 0
NEWEST_MS: Final = 1  # newest start of a play that was not late
LAST_MS: Final = 2  # start of the play applied last
SESSION: Final = 3  # hash of its session id; 0 without
SESSION_LENGTH: Final = 4  # plays of the session that `recent` begins with
MARKET: Final = 5
LAST_TRACK: Final = 6  # of the last play that was not late, skipped or not
RECENT_COUNT: Final = 7
HEARD_COUNT: Final = 8
EVENT_COUNT: Final = 9
EVENT_NEXT: Final = 10  # where the ring of event ids goes on
BLOCKED_COUNT: Final = 11
META_COLUMNS: Final = 12

# Entries of ListenerArrays.counters.
DIRTY: Final = 0
TOUCHED: Final = 1  # entries of PlayColumns.touched
TRIALS: Final = 2
HITS: Final = 3
POPULAR_HITS: Final = 4
LISTENER_COUNTERS: Final = 5


class ListenerArrays(NamedTuple):
    """Stage A. One row per listener's slot; newest first where order matters."""

    meta: NDArray[np.int64]
    recent: NDArray[np.int32]
    heard: NDArray[np.uint32]
    events: NDArray[np.int64]
    blocked: NDArray[np.int32]
    served: NDArray[np.int32]  # the last `next` list, then the popular tracks of that moment
    links: NDArray[np.int32]
    dirty: NDArray[np.uint8]
    stamp: NDArray[np.int64]  # the batch that touched the slot last
    counters: NDArray[np.int64]


class PlayColumns(NamedTuple):
    """A batch of plays, and where its outcomes go."""

    slot: NDArray[np.int32]
    track: NDArray[np.int32]
    track_hash: NDArray[np.uint32]
    event: NDArray[np.int64]
    session: NDArray[np.int64]
    started_ms: NDArray[np.int64]
    market: NDArray[np.int32]
    early: NDArray[np.uint8]
    exempt: NDArray[np.uint8]
    outcome: NDArray[np.uint8]
    touched: NDArray[np.int32]


class Rules(NamedTuple):
    """What learning needs besides the plays."""

    lateness_ms: int
    session_gap_ms: int
    world: int
    batch: int


@njit(cache=True, nogil=True, inline="always")
def _is_duplicate(state: ListenerArrays, slot: int, event: int) -> bool:
    """Look for the event id in the listener's ring, and remember it if it is new."""
    events = state.events[slot]
    meta = state.meta[slot]
    for i in range(meta[EVENT_COUNT]):
        if events[i] == event:
            return True
    at = meta[EVENT_NEXT]
    events[at] = event
    meta[EVENT_NEXT] = at + 1 if at + 1 < len(events) else 0
    meta[EVENT_COUNT] = min(meta[EVENT_COUNT] + 1, len(events))
    return False


@njit(cache=True, nogil=True, inline="always")
def _hear(state: ListenerArrays, slot: int, track_hash: int) -> None:
    """Make a track the one heard last. The one heard longest ago leaves a full memory."""
    heard = state.heard[slot]
    count = state.meta[slot, HEARD_COUNT]
    at = 0
    while at < count and heard[at] != track_hash:
        at += 1
    if at == count:
        if count < len(heard):
            state.meta[slot, HEARD_COUNT] = count + 1
        else:
            at = count - 1
    for i in range(at, 0, -1):
        heard[i] = heard[i - 1]
    heard[0] = track_hash


@njit(cache=True, nogil=True, inline="always")
def _count_trial(state: ListenerArrays, slot: int, track: int) -> None:
    """Test before learning: was this play in the list served last?"""
    served = state.served[slot]
    if served[0] == 0:
        return
    state.counters[TRIALS] += 1
    for i in range(SERVED_TRACKS):
        if served[i] == track:
            state.counters[HITS] += 1
    for i in range(SERVED_TRACKS, 2 * SERVED_TRACKS):
        if served[i] == track:
            state.counters[POPULAR_HITS] += 1


@njit(cache=True, nogil=True, inline="always")
def _apply(state: ListenerArrays, plays: PlayColumns, i: int, pairs: Table, rules: Rules) -> None:
    """Join the play to its session: pairs with the tracks before it, then the new context."""
    slot, track = int(plays.slot[i]), int(plays.track[i])
    meta, recent = state.meta[slot], state.recent[slot]
    _count_trial(state, slot, track)
    started_ms, session = plays.started_ms[i], plays.session[i]
    if session != 0 and meta[SESSION] != 0:
        same = session == meta[SESSION]
    else:
        same = abs(started_ms - meta[LAST_MS]) <= rules.session_gap_ms
    length = meta[SESSION_LENGTH] if same else 0
    for j in range(length):
        other = recent[j]
        if other != track:
            low, high = min(track, other), max(track, other)
            add(pairs, (int(low) << 32) | int(high), 0, WEIGHT_UNIT // (j + 1))
    count = min(meta[RECENT_COUNT] + 1, len(recent))
    for j in range(count - 1, 0, -1):
        recent[j] = recent[j - 1]
    recent[0] = track
    meta[RECENT_COUNT] = count
    meta[SESSION_LENGTH] = min(length + 1, CONTEXT_TRACKS)
    meta[SESSION] = session
    meta[LAST_MS] = started_ms


@njit(cache=True, nogil=True, inline="always")
def _learn_play(
    state: ListenerArrays, plays: PlayColumns, i: int, pairs: Table, trends: Table, rules: Rules
) -> int:
    slot, track = int(plays.slot[i]), int(plays.track[i])
    meta = state.meta[slot]
    if _is_duplicate(state, slot, int(plays.event[i])):
        return DUPLICATE
    link_newest(state.links, slot)
    if not state.dirty[slot]:
        state.dirty[slot] = 1
        state.counters[DIRTY] += 1
    meta[PLAYS] += 1
    _hear(state, slot, int(plays.track_hash[i]))
    add(pairs, (track << 32) | track, 0, 1)
    if not plays.early[i]:
        bucket = int(plays.started_ms[i]) // 60000
        add(trends, (rules.world << 32) | track, bucket, 1)
        if plays.market[i] != 0 and plays.market[i] != rules.world:
            add(trends, (int(plays.market[i]) << 32) | track, bucket, 1)
    if plays.started_ms[i] < meta[NEWEST_MS] - rules.lateness_ms and not plays.exempt[i]:
        return LATE
    meta[NEWEST_MS] = max(meta[NEWEST_MS], plays.started_ms[i])
    meta[LAST_TRACK] = track
    if plays.market[i] != 0:
        meta[MARKET] = plays.market[i]
    if plays.early[i]:
        return SKIPPED
    _apply(state, plays, i, pairs, rules)
    return APPLIED


@njit(cache=True, nogil=True)
def learn_plays(
    state: ListenerArrays,
    plays: PlayColumns,
    tables: tuple[Table, Table],
    rules: Rules,
    span: tuple[int, int],
) -> None:
    """Learn the plays of `span`, in order. The tables have room for 11 pairs and 2 trends each."""
    for i in range(span[0], span[1]):
        outcome = _learn_play(state, plays, i, tables[0], tables[1], rules)
        plays.outcome[i] = outcome
        slot = plays.slot[i]
        if outcome != DUPLICATE and state.stamp[slot] != rules.batch:
            state.stamp[slot] = rules.batch
            plays.touched[state.counters[TOUCHED]] = slot
            state.counters[TOUCHED] += 1
