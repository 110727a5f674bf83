"""The arrays of stage A and what is done to one listener's slot outside the compiled path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.recommend.conduct import Conduct
from models.recommend.kernels.conduct import CONDUCT_COLUMNS
from models.recommend.kernels.listener import (
    AT_MS,
    COHORTS,
    CONTEXT_USED,
    EVENT_COUNT,
    EVENT_NEXT,
    HEARD_COUNT,
    LAST_MS,
    LAST_TRACK,
    LIKED_WITH,
    LISTENER_COUNTERS,
    MARKET,
    META_COLUMNS,
    NEWEST_MS,
    PLAYS,
    RECENT_COUNT,
    SAID,
    SCORE_SUMS,
    SCORED_LISTS,
    SERVED_TRACKS,
    SESSION,
    SESSION_LENGTH,
    STATEMENT,
    ListenerArrays,
    Trials,
)
from models.recommend.listener_records import ListenerRecord, join_events
from models.recommend.said import Statement, new_said, put, statements
from models.recommend.vocabulary import Vocabulary

__all__ = [
    "HEARD_TRACKS",
    "RECENT_PLAYS",
    "ListenerLimits",
    "ListenerSnapshot",
    "clear",
    "load",
    "new_arrays",
    "new_trials",
    "snapshot",
]

RECENT_PLAYS: Final = 50
HEARD_TRACKS: Final = 160


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Bounds and times of stage A; the settings of the same names feed them.

    About 1.3 KB of memory per listener that was ever held, names apart, and 40 bytes for each
    statement of theirs that there is room for.
    """

    listeners_max: int = 200_000
    dedupe_window: int = 64
    lateness_ms: int = 3_600_000
    session_gap_ms: int = 1_800_000
    hold_suspicious: bool = True
    plays_per_look: int = 64  # one play in so many, by its id, shows the forest the conduct

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
    said: list[Statement]
    market: str
    last_track: str
    conduct: Conduct


def new_arrays(limits: ListenerLimits) -> ListenerArrays:
    """Empty state. Zeros that nobody wrote take no memory."""
    slots = limits.listeners_max
    said, liked = new_said()
    return ListenerArrays(
        meta=np.zeros((slots, META_COLUMNS), np.int64),
        recent=np.zeros((slots, RECENT_PLAYS), np.int32),
        artists=np.zeros((slots, CONTEXT_USED), np.int32),
        heard=np.zeros((slots, HEARD_TRACKS), np.uint16),
        events=np.zeros((slots, limits.dedupe_window), np.uint32),
        events_high=np.zeros((slots, limits.dedupe_window), np.uint8),
        conduct=np.zeros((slots, CONDUCT_COLUMNS), np.int32),
        said=said,
        liked=liked,
        served=np.zeros((slots, 2 * SERVED_TRACKS), np.int32),
        links=np.zeros((slots + 1, 2), np.int32),
        dirty=np.zeros(slots, np.uint8),
        stamp=np.zeros(slots, np.int64),
        counters=np.zeros(LISTENER_COUNTERS, np.int64),
    )


def new_trials(limits: ListenerLimits, arms: int) -> Trials:
    """No trials yet."""
    return Trials(
        cell=np.zeros(limits.listeners_max, np.int16),
        scores=np.zeros((arms * COHORTS, SCORED_LISTS, SCORE_SUMS)),
    )


def clear(arrays: ListenerArrays, slot: int) -> None:
    """Make a slot nobody's. What counts do not reach is never read."""
    arrays.meta[slot] = 0
    arrays.served[slot] = 0
    arrays.conduct[slot] = 0
    arrays.stamp[slot] = 0


def load(arrays: ListenerArrays, slot: int, record: ListenerRecord, vocabulary: Vocabulary) -> None:
    """Set a slot to a record. Columns longer than this process keeps lose what is oldest."""
    _, recent, heard, events, following, count, length, plays, newest, last, session = record.head
    ids = vocabulary.intern(record.names)
    window, newest_events = arrays.events.shape[1], record.events
    if events > window or (following < events and events < window):  # written under another window
        newest_events = np.roll(newest_events, -following if following < events else 0)[-window:]
        events = following = len(newest_events)
    recent_kept, heard_kept = min(recent, RECENT_PLAYS), min(heard, HEARD_TRACKS)
    arrays.conduct[slot] = record.conduct
    arrays.recent[slot, :recent_kept] = ids[2 : 2 + recent_kept]
    arrays.heard[slot, :heard_kept] = record.heard[:heard_kept]
    arrays.events[slot, :events] = newest_events & 0xFFFFFFFF
    arrays.events_high[slot, :events] = newest_events >> 32
    known = min(recent, CONTEXT_USED)
    arrays.artists[slot, :known] = ids[2 + recent : 2 + recent + known]
    row, names_at = int(arrays.meta[slot, SAID]), 2 + recent + known
    if row:  # it has one if the record says so; what stood there is another record's
        said = np.empty((count, 2), np.int64)
        said[:, STATEMENT] = record.kinds.astype(np.int64) << 32 | ids[names_at : names_at + count]
        said[:, AT_MS] = record.said_ms
        put(arrays, slot, said, ids[names_at + count :].reshape(-1, LIKED_WITH))
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
        row,
        count,
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
        said=statements(arrays, slot, names),
        market=names[meta[MARKET]],
        last_track=names[meta[LAST_TRACK]],
        conduct=Conduct(*arrays.conduct[slot].tolist()),
    )
