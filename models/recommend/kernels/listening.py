"""Kernels of stage A: what a play does to its listener, and what other stages learn of it."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import allocating, inlined, kernel
from models.recommend.kernels.conduct import describe, hold, observe
from models.recommend.kernels.discovering import Discoveries, discover
from models.recommend.kernels.listener import (
    APPLIED,
    BEGINS,
    CONTEXT_BITS,
    CONTEXT_TRACKS,
    DUPLICATE,
    ERASED,
    ERASED_MS,
    EVENT_COUNT,
    EVENT_NEXT,
    GAINS,
    HEARD_COUNT,
    HELD,
    HELD_BACK,
    HITS_10,
    HITS_20,
    LAST_MS,
    LAST_TRACK,
    LATE,
    MARKET,
    NEWEST_MS,
    OF_DISCOVER,
    OF_NEXT,
    OF_POPULAR,
    PASSED_COUNT,
    PLAYS,
    RECENT_COUNT,
    RECENT_PLAYS,
    RECIPROCALS,
    SAMPLED,
    SERVED_TRACKS,
    SESSION,
    SESSION_LENGTH,
    SKIPPED,
    TOUCHED,
    TRIALS,
    WEIGHT_UNIT,
    ListenerArrays,
    Trials,
)
from models.recommend.kernels.ranking import (
    TRAINED_CANDIDATES,
    ArmRankers,
    Bench,
    Ranker,
    new_bench,
    train,
)
from models.recommend.kernels.rows import find
from models.recommend.kernels.scene import Popular, Scene, left_out_of, market_row
from models.recommend.kernels.slots import mark_used
from models.recommend.kernels.table import Table, add

__all__ = [
    "BROKEN_OFF",
    "IN_TURN",
    "NOT_EARLY",
    "NO_SLOT",
    "ONE_SIDED",
    "SKIPPED_EARLY",
    "PlayColumns",
    "Rules",
    "learn_plays",
]

NO_SLOT: Final = -1
_RECENT_BITS: Final = (1 << RECENT_PLAYS) - 1

# Whether a play says nothing good of its track.
NOT_EARLY: Final = 0
BROKEN_OFF: Final = 1  # by an error, which is not the track's fault
SKIPPED_EARLY: Final = 2

# What a sum of pairs is of: the second half of its key.
IN_TURN: Final = 0  # the right track was played after the left one; a track with itself: plays
ONE_SIDED: Final = 1
"""The row of the left one alone gains: an artist or album by a track, a like by another."""


class PlayColumns(NamedTuple):
    """A batch of plays, and where its outcomes go."""

    slot: NDArray[np.int32]  # NO_SLOT: older than the erasure of a listener who is not held
    track: NDArray[np.int32]
    track_hash: NDArray[np.uint16]
    artist: NDArray[np.int32]  # 0 if unknown
    album: NDArray[np.int32]  # 0 if unknown
    event: NDArray[np.int64]
    session: NDArray[np.int64]
    started_ms: NDArray[np.int64]
    market: NDArray[np.int32]
    early: NDArray[np.uint8]  # NOT_EARLY, BROKEN_OFF or SKIPPED_EARLY
    exempt: NDArray[np.uint8]
    played_ms: NDArray[np.int64]  # 0 if unknown, and so is the next
    duration_ms: NDArray[np.int64]
    outcome: NDArray[np.uint8]
    held: NDArray[np.uint8]  # whether it is kept out of what others get
    touched: NDArray[np.int32]
    sampled: NDArray[np.int32]  # slots whose conduct is drawn for the forest, and
    features: NDArray[np.float64]  # what it was


class Rules(NamedTuple):
    """What learning needs besides the plays."""

    trained: bool  # whether there are lists to train rankers on, and trends
    holding: bool  # whether plays of the suspected, and repeats, are held back
    sampled: int  # one play in so many shows the forest its listener's conduct

    lateness_ms: int
    session_gap_ms: int
    world: int
    batch: int


@kernel
def _is_duplicate(state: ListenerArrays, slot: int, event: int) -> bool:
    """Look for the event id in the listener's ring, and remember it if it is new."""
    lows, highs = state.events[slot], state.events_high[slot]
    low, high = np.uint32(event & 0xFFFFFFFF), np.uint8(event >> 32)
    meta = state.meta[slot]
    for i in range(meta[EVENT_COUNT]):
        if lows[i] == low and highs[i] == high:
            return True
    at = meta[EVENT_NEXT]
    lows[at] = low
    highs[at] = high
    meta[EVENT_NEXT] = at + 1 if at + 1 < len(lows) else 0
    meta[EVENT_COUNT] = min(meta[EVENT_COUNT] + 1, len(lows))
    return False


@kernel
def _hear(state: ListenerArrays, slot: int, track_hash: int) -> int:
    """Make a track the one heard last; returns 1 if it is new to the listener, else 0.

    The one heard longest ago leaves a full memory.
    """
    heard = state.heard[slot]
    count = state.meta[slot, HEARD_COUNT]
    at = 0
    while at < count and heard[at] != track_hash:
        at += 1
    new = at == count
    if new:
        if count < len(heard):
            state.meta[slot, HEARD_COUNT] = count + 1
        else:
            at = count - 1
    for i in range(at, 0, -1):
        heard[i] = heard[i - 1]
    heard[0] = track_hash
    return int(new)


@kernel
def _score(sums: NDArray[np.float64], tracks: NDArray[np.int32], track: int) -> None:
    """Count a trial of a list of at most SERVED_TRACKS."""
    size = min(SERVED_TRACKS, len(tracks))
    place = find(tracks, size, track)
    sums[TRIALS] += 1
    if place < size:
        sums[HITS_10] += place < 10
        sums[HITS_20] += 1
        sums[RECIPROCALS] += 1 / (place + 1)
        sums[GAINS] += 1 / math.log2(place + 2.0)


@kernel
def _test(
    state: ListenerArrays,
    slot: int,
    track: int,
    trends: tuple[bool, Popular],
    trials: Trials,
    new: int,
) -> None:
    """Test before learning: where does this play stand in the lists served last?"""
    following, discover = state.served[slot, :SERVED_TRACKS], state.served[slot, SERVED_TRACKS:]
    sums, (known, popular) = trials.scores[trials.cell[slot]], trends
    if following[0] != 0:
        _score(sums[OF_NEXT], following, track)
        row = market_row(popular, int(state.meta[slot, MARKET])) if known else 0
        _score(sums[OF_POPULAR], popular.ids[row, : popular.sizes[row]], track)
    if new and discover[0] != 0:
        _score(sums[OF_DISCOVER], discover, track)


@inlined
def _context(state: ListenerArrays, plays: PlayColumns, i: int, rules: Rules) -> int:
    """How many of the recent tracks are before a play in its session."""
    meta = state.meta[plays.slot[i]]
    session = plays.session[i]
    if session != 0 and meta[SESSION] != 0:
        same = session == meta[SESSION]
    else:
        same = abs(plays.started_ms[i] - meta[LAST_MS]) <= rules.session_gap_ms
    return int(meta[SESSION_LENGTH]) if same else 0


@kernel
def _pair(
    state: ListenerArrays, plays: PlayColumns, i: int, pairs: Table, length: int, sign: int
) -> None:
    """Add to the pairs of a play with the `length` tracks before it in its session."""
    slot, track = int(plays.slot[i]), int(plays.track[i])
    recent = state.recent[slot]
    for j in range(length):
        other = recent[j]
        if other != track:
            add(pairs, (int(other) << 32) | track, IN_TURN, sign * (WEIGHT_UNIT // (j + 1)))


@kernel
def _pass_over(state: ListenerArrays, slot: int, track: int, length: int) -> None:
    """Remember a play that is not applied, and the tracks of the session it was paired with.

    Not the track, if others know nothing of the play: it is 0 then.
    """
    meta, passed = state.meta[slot], state.passed[slot]
    applied = meta[PLAYS] - 1 - meta[PASSED_COUNT]  # before it
    at = meta[PASSED_COUNT] % len(passed)
    passed[at, 0] = track
    passed[at, 1] = applied << CONTEXT_BITS | length
    meta[PASSED_COUNT] += 1


@inlined
def _tell(state: ListenerArrays, plays: PlayColumns, i: int, pairs: Table, length: int) -> None:
    """What others learn of a play: its pairs with the tracks before it, and of its artist."""
    track, artist = int(plays.track[i]), int(plays.artist[i])
    _pair(state, plays, i, pairs, length, 1)
    if artist != 0:
        add(pairs, (artist << 32) | artist, IN_TURN, 1)
        add(pairs, (artist << 32) | track, ONE_SIDED, WEIGHT_UNIT)
    album = int(plays.album[i])
    if album != 0:
        add(pairs, (album << 32) | album, IN_TURN, 1)
        add(pairs, (album << 32) | track, ONE_SIDED, WEIGHT_UNIT)


@inlined
def _join(state: ListenerArrays, plays: PlayColumns, i: int, length: int) -> None:
    """Make the play the newest of its session, which has `length` before it."""
    slot = int(plays.slot[i])
    meta, recent, artists = state.meta[slot], state.recent[slot], state.artists[slot]
    for j in range(len(artists) - 1, 0, -1):
        artists[j] = artists[j - 1]
    artists[0] = plays.artist[i]
    count = min(meta[RECENT_COUNT] + 1, len(recent))
    for j in range(count - 1, 0, -1):
        recent[j] = recent[j - 1]
    recent[0] = plays.track[i]
    meta[RECENT_COUNT] = count
    meta[BEGINS] = (meta[BEGINS] << 1 | int(length == 0)) & _RECENT_BITS
    meta[HELD_BACK] = (meta[HELD_BACK] << 1 | int(plays.held[i])) & _RECENT_BITS
    meta[SESSION_LENGTH] = min(length + 1, CONTEXT_TRACKS)
    meta[SESSION] = plays.session[i]
    meta[LAST_MS] = plays.started_ms[i]


@inlined
def _count(
    plays: PlayColumns, i: int, tables: tuple[Table, Table, Discoveries], world: int
) -> None:
    """Count a play for its track, and in the trends unless it was skipped early."""
    track, (pairs, trends, _) = int(plays.track[i]), tables
    add(pairs, (track << 32) | track, 0, 1)
    if not plays.early[i]:
        bucket = int(plays.started_ms[i]) // 60000
        add(trends, (world << 32) | track, bucket, 1)
        if plays.market[i] != 0 and plays.market[i] != world:
            add(trends, (int(plays.market[i]) << 32) | track, bucket, 1)


@kernel
def _sample(state: ListenerArrays, plays: PlayColumns, slot: int) -> None:
    """Write down the listener's conduct as of now, for the forest."""
    count = state.counters[SAMPLED]
    describe(state, slot, plays.features[count])
    plays.sampled[count] = slot
    state.counters[SAMPLED] = count + 1


@inlined
def _is_held(state: ListenerArrays, plays: PlayColumns, i: int, late: bool, rules: Rules) -> bool:
    """Let a play change its listener's conduct; whether others must not learn of it."""
    slot, repeat = int(plays.slot[i]), False
    if not late:
        played_ms, duration_ms = int(plays.played_ms[i]), int(plays.duration_ms[i])
        heard = (int(plays.started_ms[i]), played_ms, duration_ms)
        names = (int(plays.track[i]), int(plays.artist[i]))
        repeat = observe(state, slot, names, heard, plays.early[i] != NOT_EARLY)
        if played_ms > 0 and plays.event[i] % rules.sampled == 0:
            _sample(state, plays, slot)
    return rules.holding and hold(state, slot, repeat)


@kernel
def _learn_play(
    state: ListenerArrays,
    plays: PlayColumns,
    i: int,
    tables: tuple[Table, Table, Discoveries],
    rules: Rules,
    trainer: tuple[Bench, Scene, ArmRankers, Trials],
) -> int:
    slot, track = int(plays.slot[i]), int(plays.track[i])
    meta, pairs = state.meta[slot], tables[0]
    if plays.started_ms[i] <= meta[ERASED_MS]:
        return ERASED
    if _is_duplicate(state, slot, int(plays.event[i])):
        return DUPLICATE
    late = plays.started_ms[i] < meta[NEWEST_MS] - rules.lateness_ms and not plays.exempt[i]
    held = _is_held(state, plays, i, late, rules)
    plays.held[i] = held
    if rules.trained and not held and not late and not plays.early[i]:
        play, arms = (slot, track, int(plays.started_ms[i])), trainer[2]
        for a in range(len(arms.left_out)):  # whichever arm the listener is in
            ranker = Ranker(arms.weights[a], arms.squares[a], arms.trained[a])
            scene = left_out_of(trainer[1], arms.left_out[a])
            train(trainer[0], state, play, scene, ranker)
    mark_used(state.links, state.dirty, state.counters, slot)
    meta[PLAYS] += 1
    new = _hear(state, slot, int(plays.track_hash[i]))
    if not held:
        _count(plays, i, tables, rules.world)
    if late:
        _pass_over(state, slot, 0 if held else track, 0)
        return LATE
    meta[NEWEST_MS] = max(meta[NEWEST_MS], plays.started_ms[i])
    meta[LAST_TRACK] = track
    meta[MARKET] = plays.market[i] or meta[MARKET]
    length = _context(state, plays, i, rules)
    if plays.early[i]:
        told = plays.early[i] == SKIPPED_EARLY and not held
        if told:
            _pair(state, plays, i, pairs, length, -1)
        _pass_over(state, slot, 0 if held else track, length if told else 0)
        return SKIPPED
    if not held:
        _test(state, slot, track, (rules.trained, trainer[1].popular), trainer[3], new)
        _tell(state, plays, i, pairs, length)
        discover(state, slot, track, new, tables[2])
    _join(state, plays, i, length)
    return HELD if held else APPLIED


@kernel
def _learn_span(
    state: ListenerArrays,
    plays: PlayColumns,
    tables: tuple[Table, Table, Discoveries],
    rules: Rules,
    span: tuple[int, int],
    trainer: tuple[Bench, Scene, ArmRankers, Trials],
) -> None:
    for i in range(span[0], span[1]):
        slot = plays.slot[i]
        if slot == NO_SLOT:
            plays.outcome[i] = ERASED
            continue
        outcome = _learn_play(state, plays, i, tables, rules, trainer)
        plays.outcome[i] = outcome
        if outcome not in (DUPLICATE, ERASED) and state.stamp[slot] != rules.batch:
            state.stamp[slot] = rules.batch
            plays.touched[state.counters[TOUCHED]] = slot
            state.counters[TOUCHED] += 1


@allocating
def learn_plays(
    state: ListenerArrays,
    plays: PlayColumns,
    tables: tuple[Table, Table, Discoveries],
    rules: Rules,
    span: tuple[int, int],
    made_from: tuple[Scene, ArmRankers, Trials],
) -> None:
    """Learn the plays of `span`, in order. The tables have room for 13 pairs and 2 trends each."""
    scene, arms, trials = made_from
    trainer = (new_bench(state, scene, TRAINED_CANDIDATES), scene, arms, trials)
    _learn_span(state, plays, tables, rules, span, trainer)
