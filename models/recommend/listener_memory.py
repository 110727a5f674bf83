"""The arrays of stage A and what is done to one listener's slot outside the compiled path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.recommend.kernels.listener import (
    BLOCKED_COUNT,
    CONTEXT_USED,
    EVENT_COUNT,
    EVENT_NEXT,
    HEARD_COUNT,
    HITS,
    LAST_MS,
    LAST_TRACK,
    LISTENER_COUNTERS,
    MARKET,
    META_COLUMNS,
    NEWEST_MS,
    PLAYS,
    POPULAR_HITS,
    RECENT_COUNT,
    SERVED_TRACKS,
    SESSION,
    SESSION_LENGTH,
    TRIALS,
    ListenerArrays,
)
from models.recommend.listener_records import ListenerRecord, join_events
from models.recommend.vocabulary import Vocabulary

__all__ = [
    "BLOCKED_TRACKS",
    "HEARD_TRACKS",
    "RECENT_PLAYS",
    "ListenerLimits",
    "ListenerSnapshot",
    "Tally",
    "block",
    "clear",
    "load",
    "new_arrays",
    "snapshot",
    "unblock",
]

RECENT_PLAYS: Final = 50
HEARD_TRACKS: Final = 256
BLOCKED_TRACKS: Final = 256


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Bounds and times of stage A; the settings of the same names feed them.

    About 1.3 KB of memory per listener that was ever held, names apart, 1 KB more once they block
    tracks.
    """

    listeners_max: int = 200_000
    dedupe_window: int = 64
    lateness_ms: int = 3_600_000
    session_gap_ms: int = 1_800_000

    def __post_init__(self) -> None:
        if self.listeners_max < 1 or self.dedupe_window < 1:
            raise ValueError("listeners_max and dedupe_window are at least 1")


@dataclass(frozen=True, slots=True)
class ListenerSnapshot:
    """What is known of one listener, newest first where order matters; heard tracks as hashes."""

    plays: int
    newest_ms: int
    last_ms: int
    session: int
    context: list[str]
    recent: list[str]
    artists: list[str]
    heard: list[int]
    events: list[int]
    blocked: list[str]
    market: str
    last_track: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Test then learn: how often the next play was in the list served before it."""

    trials: int
    hits: int
    popular_hits: int

    @classmethod
    def of(cls, arrays: ListenerArrays) -> Tally:
        """Read the counters."""
        counters = arrays.counters
        return cls(int(counters[TRIALS]), int(counters[HITS]), int(counters[POPULAR_HITS]))


def new_arrays(limits: ListenerLimits) -> ListenerArrays:
    """Empty state. Zeros that nobody wrote take no memory."""
    slots = limits.listeners_max
    return ListenerArrays(
        meta=np.zeros((slots, META_COLUMNS), np.int64),
        recent=np.zeros((slots, RECENT_PLAYS), np.int32),
        artists=np.zeros((slots, CONTEXT_USED), np.int32),
        heard=np.zeros((slots, HEARD_TRACKS), np.uint16),
        events=np.zeros((slots, limits.dedupe_window), np.uint32),
        events_high=np.zeros((slots, limits.dedupe_window), np.uint8),
        blocked=np.zeros((slots, BLOCKED_TRACKS), np.int32),
        served=np.zeros((slots, 2 * SERVED_TRACKS), np.int32),
        links=np.zeros((slots + 1, 2), np.int32),
        dirty=np.zeros(slots, np.uint8),
        stamp=np.zeros(slots, np.int64),
        counters=np.zeros(LISTENER_COUNTERS, np.int64),
    )


def clear(arrays: ListenerArrays, slot: int) -> None:
    """Make a slot nobody's. What counts do not reach is never read."""
    arrays.meta[slot] = 0
    arrays.served[slot] = 0
    arrays.stamp[slot] = 0


def block(arrays: ListenerArrays, slot: int, track: int) -> bool:
    """Block a track; the oldest block gives way to the 257th. Returns whether that is news."""
    count = int(arrays.meta[slot, BLOCKED_COUNT])
    row = arrays.blocked[slot]
    if track in row[:count]:
        return False
    if count == len(row):
        row[:-1] = row[1:].copy()
        count -= 1
    row[count] = track
    arrays.meta[slot, BLOCKED_COUNT] = count + 1
    return True


def unblock(arrays: ListenerArrays, slot: int, track: int) -> bool:
    """Take a block back. Returns whether there was one."""
    count = int(arrays.meta[slot, BLOCKED_COUNT])
    row = arrays.blocked[slot]
    found = np.flatnonzero(row[:count] == track)
    if not len(found):
        return False
    at = int(found[0])
    row[at : count - 1] = row[at + 1 : count].copy()
    arrays.meta[slot, BLOCKED_COUNT] = count - 1
    return True


def load(arrays: ListenerArrays, slot: int, record: ListenerRecord, vocabulary: Vocabulary) -> None:
    """Set a slot to a record. Columns longer than this process keeps lose what is oldest."""
    _, recent, heard, events, following, blocked, length, plays, newest, last, session = record.head
    ids = vocabulary.intern(record.names)
    window, newest_events = arrays.events.shape[1], record.events
    if events > window or (following < events and events < window):  # written under another window
        newest_events = np.roll(newest_events, -following if following < events else 0)[-window:]
        events = following = len(newest_events)
    recent_kept, heard_kept = min(recent, RECENT_PLAYS), min(heard, HEARD_TRACKS)
    arrays.recent[slot, :recent_kept] = ids[2 : 2 + recent_kept]
    arrays.heard[slot, :heard_kept] = record.heard[:heard_kept]
    arrays.events[slot, :events] = newest_events & 0xFFFFFFFF
    arrays.events_high[slot, :events] = newest_events >> 32
    known = min(recent, CONTEXT_USED)
    arrays.artists[slot, :known] = ids[2 + recent : 2 + recent + known]
    blocked_ids = ids[2 + recent + known :][-BLOCKED_TRACKS:]
    if blocked:
        arrays.blocked[slot, : len(blocked_ids)] = blocked_ids
    # One row in one assignment, in the order of the columns' numbers.
    arrays.meta[slot] = (
        plays,
        newest,
        last,
        session,
        length,
        ids[0],
        ids[1],
        recent_kept,
        heard_kept,
        events,
        following % window,
        len(blocked_ids),
    )
    arrays.served[slot] = 0


def snapshot(arrays: ListenerArrays, slot: int, names: list[str]) -> ListenerSnapshot:
    """What a slot holds, by name."""
    meta = arrays.meta[slot].tolist()
    recent = [names[i] for i in arrays.recent[slot, : meta[RECENT_COUNT]].tolist()]
    count = meta[EVENT_COUNT]
    # The ring's next place holds the oldest id once it is full.
    events = join_events(arrays.events[slot, :count], arrays.events_high[slot, :count])
    events = np.roll(events, -(meta[EVENT_NEXT] % max(count, 1)))
    return ListenerSnapshot(
        plays=meta[PLAYS],
        newest_ms=meta[NEWEST_MS],
        last_ms=meta[LAST_MS],
        session=meta[SESSION],
        context=recent[: meta[SESSION_LENGTH]],
        recent=recent,
        artists=[names[i] for i in arrays.artists[slot, : len(recent)].tolist()],
        heard=arrays.heard[slot, : meta[HEARD_COUNT]].tolist(),
        events=events[::-1].tolist(),
        blocked=[names[i] for i in arrays.blocked[slot, : meta[BLOCKED_COUNT]].tolist()],
        market=names[meta[MARKET]],
        last_track=names[meta[LAST_TRACK]],
    )
