"""Kernel of conduct: does a listener listen as people do? Whole numbers only, so that a restart, a
second worker and a verifier in plain Python come to the same verdict at the same play.

Each sign is a bucket that plays fill and time or better plays drain. A listener is suspected when
one is full to its mark, and trusted again once it is down to half of that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import inlined, kernel
from models.recommend.kernels.listener import (
    HELD_BY,
    NEWEST_MS,
    RECENT_COUNT,
    SUSPECTED_BY,
    TRUSTED_AGAIN,
    ListenerArrays,
)

__all__ = [
    "AHEAD_MARK_MS",
    "AHEAD_MS",
    "AWAKE_MARK_MS",
    "AWAKE_MS",
    "CONDUCT_COLUMNS",
    "CUT_COUNT",
    "CUT_MARK",
    "FEATURES",
    "HOUR_MS",
    "LOOPED_MARK_MS",
    "LOOPED_MS",
    "RATE_UNIT",
    "REASON_COUNT",
    "SCORE",
    "SUSPICION",
    "describe",
    "hold",
    "observe",
]

# Columns of ListenerArrays.conduct.
AHEAD_MS: Final = 0  # listening that was more than the time that passed
AWAKE_MS: Final = 1  # without a rest
LOOPED_MS: Final = 2  # of repeats
CUT_COUNT: Final = 3  # plays broken off as soon as they pay, or all alike
CUT_LAST_MS: Final = 4  # how long the last one that was broken off was heard
GAP_LAST_MS: Final = 5  # from start to start
EARLY_RATE: Final = 6  # share of early skips; rates are moving averages, in 1/65536
ARTIST_RATE: Final = 7  # share of plays by the artist of the play before
REGULAR_RATE: Final = 8  # share of plays that begin as long after the last as that after its last
SUSPICION: Final = 9  # bits of the signs at their mark
SCORE: Final = 10  # the forest's last score of this listener, in millionths; 0 if none
CONDUCT_COLUMNS: Final = 11

# Bits of SUSPICION by number; a play held back for what it is itself comes after them.
OVERLAP: Final = 0
RESTLESS: Final = 1
CUT: Final = 2
LOOP: Final = 3
REPEAT: Final = 4
REASON_COUNT: Final = 5

HOUR_MS: Final = 3_600_000
AHEAD_MARK_MS: Final = 24 * HOUR_MS
AWAKE_MARK_MS: Final = 120 * HOUR_MS
LOOPED_MARK_MS: Final = 24 * HOUR_MS
CUT_MARK: Final = 40
REST_MS: Final = 2 * HOUR_MS
REST_WORTH: Final = 8  # hours awake that an hour of rest makes up for
GAP_MAX_MS: Final = 7 * 24 * HOUR_MS
PAID_MS: Final = 30_000  # from here on a play is paid for
CUT_SOON_MS: Final = 40_000
ALIKE_MS: Final = 1_000
REPEATS_MAX: Final = 4  # plays of a track among the last 50 that count for others
RATE_UNIT: Final = 65_536
RATE_SHIFT: Final = 5  # a moving average over about 32 plays
FEATURES: Final = 8


@kernel
def _filled(amount: int, mark: int) -> int:
    """A bucket holds from nothing to twice its mark."""
    return min(max(amount, 0), 2 * mark)


@kernel
def _switched(suspicion: int, reason: int, amount: int, mark: int) -> int:
    if amount >= mark:
        return suspicion | (1 << reason)
    if 2 * amount < mark:
        return suspicion & ~(1 << reason)
    return suspicion


@kernel
def _moved(rate: int, hit: bool) -> int:
    return rate + (((RATE_UNIT if hit else 0) - rate) >> RATE_SHIFT)


@inlined
def _is_cut(conduct: NDArray[np.int32], played_ms: int, duration_ms: int) -> bool:
    """Broken off before nine tenths of it, yet paid for: just so, or as long as the last one."""
    if played_ms <= PAID_MS or 10 * played_ms >= 9 * duration_ms:
        return False
    alike = abs(played_ms - conduct[CUT_LAST_MS]) <= ALIKE_MS
    conduct[CUT_LAST_MS] = played_ms
    return alike or played_ms <= CUT_SOON_MS


@inlined
def _is_repeat(state: ListenerArrays, slot: int, track: int) -> bool:
    recent, found = state.recent[slot], 0
    for j in range(state.meta[slot, RECENT_COUNT]):
        if recent[j] == track:
            found += 1
    return found >= REPEATS_MAX


@inlined
def observe(
    state: ListenerArrays,
    slot: int,
    names: tuple[int, int],
    heard: tuple[int, int, int],
    early: bool,
) -> bool:
    """Let a play that is not late change its listener's conduct, before it changes anything else.

    `names` are its track and artist; `heard` its start, how long was heard, of how much. Returns
    whether it is a repeat.
    """
    (track, artist), (started_ms, played_ms, duration_ms) = names, heard
    if played_ms <= 0:  # says nothing of how long was heard: no evidence of anything
        return False
    conduct = state.conduct[slot]
    gap_ms = min(max(started_ms - state.meta[slot, NEWEST_MS], 0), GAP_MAX_MS)
    repeat = not early and _is_repeat(state, slot, track)
    if duration_ms > 0:  # a pause within a track is not listening
        played_ms = min(played_ms, duration_ms)
    ahead = _filled(conduct[AHEAD_MS] + played_ms - gap_ms, AHEAD_MARK_MS)
    rested_ms = gap_ms if gap_ms < REST_MS else -REST_WORTH * gap_ms
    awake = _filled(conduct[AWAKE_MS] + rested_ms, AWAKE_MARK_MS)
    drained = max(conduct[LOOPED_MS] - gap_ms * 5 // 12, 0)  # ten hours of each day are forgiven
    looped = _filled(drained + (played_ms if repeat else 0), LOOPED_MARK_MS)
    cut = int(conduct[CUT_COUNT])
    if not early:
        cut = _filled(cut + (1 if _is_cut(conduct, played_ms, duration_ms) else -1), CUT_MARK)
    regular = gap_ms > 0 and abs(gap_ms - conduct[GAP_LAST_MS]) <= ALIKE_MS
    if not early and artist != 0 and state.meta[slot, RECENT_COUNT] > 0:
        again = artist == state.artists[slot, 0]
        conduct[ARTIST_RATE] = _moved(conduct[ARTIST_RATE], again)
    conduct[REGULAR_RATE] = _moved(conduct[REGULAR_RATE], regular)
    conduct[EARLY_RATE] = _moved(conduct[EARLY_RATE], early)
    conduct[GAP_LAST_MS] = gap_ms
    conduct[AHEAD_MS], conduct[AWAKE_MS] = ahead, awake
    conduct[LOOPED_MS], conduct[CUT_COUNT] = looped, cut
    before = int(conduct[SUSPICION])
    now = _switched(before, OVERLAP, ahead, AHEAD_MARK_MS)
    now = _switched(now, RESTLESS, awake, AWAKE_MARK_MS)
    now = _switched(now, CUT, cut, CUT_MARK)
    now = _switched(now, LOOP, looped, LOOPED_MARK_MS)
    if now != before:
        conduct[SUSPICION] = now
        for reason in range(REPEAT):
            if (now & ~before) >> reason & 1:
                state.counters[SUSPECTED_BY + reason] += 1
        if now == 0:
            state.counters[TRUSTED_AGAIN] += 1
    return repeat


@inlined
def hold(state: ListenerArrays, slot: int, repeat: bool) -> bool:
    """Whether a play is kept out of what others get; counted by the first reason for it."""
    suspicion = state.conduct[slot, SUSPICION]
    if suspicion == 0 and not repeat:
        return False
    reason = 0
    while reason < REPEAT and not suspicion >> reason & 1:
        reason += 1
    state.counters[HELD_BY + reason] += 1
    return True


@kernel
def describe(state: ListenerArrays, slot: int, features: NDArray[np.float64]) -> None:
    """Write down a listener's conduct as numbers from 0 to 1, for the forest."""
    conduct, recent = state.conduct[slot], state.recent[slot]
    count = int(state.meta[slot, RECENT_COUNT])
    distinct = 0
    for j in range(count):
        distinct += 1
        for k in range(j):
            if recent[k] == recent[j]:
                distinct -= 1
                break
    features[0] = conduct[AHEAD_MS] / (2 * AHEAD_MARK_MS)
    features[1] = conduct[AWAKE_MS] / (2 * AWAKE_MARK_MS)
    features[2] = conduct[LOOPED_MS] / (2 * LOOPED_MARK_MS)
    features[3] = conduct[CUT_COUNT] / (2 * CUT_MARK)
    features[4] = distinct / max(count, 1)
    features[5] = conduct[EARLY_RATE] / RATE_UNIT
    features[6] = conduct[ARTIST_RATE] / RATE_UNIT
    features[7] = conduct[REGULAR_RATE] / RATE_UNIT
