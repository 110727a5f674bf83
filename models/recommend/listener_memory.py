"""The arrays of stage A and what is done to one listener's slot outside the compiled path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.conduct import Conduct
from models.recommend.kernels.conduct import CONDUCT_COLUMNS
from models.recommend.kernels.listener import (
    AT_MS,
    BEGINS,
    COHORTS,
    CONTEXT_BITS,
    CONTEXT_USED,
    ERASED_MS,
    EVENT_COUNT,
    EVENT_NEXT,
    HEARD_COUNT,
    HELD_BACK,
    LAST_MS,
    LAST_TRACK,
    LIKED_WITH,
    LISTENER_COUNTERS,
    MARKET,
    META_COLUMNS,
    NEWEST_MS,
    PASSED_COUNT,
    PASSED_PLAYS,
    PLAYS,
    RECENT_COUNT,
    RECENT_PLAYS,
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
from models.recommend.kernels.ring import linked, unlink
from models.recommend.kernels.slots import DIRTY, mark_used
from models.recommend.listener_records import ListenerRecord, join_events
from models.recommend.said import Statement, new_said, put, statements
from models.recommend.vocabulary import Vocabulary

__all__ = [
    "HEARD_TRACKS",
    "RECENT_PLAYS",
    "ListenerLimits",
    "ListenerSnapshot",
    "clear",
    "ids_of",
    "listening_to",
    "load",
    "new_arrays",
    "new_trials",
    "snapshot",
    "touch",
]

HEARD_TRACKS: Final = 160
LISTENING_MAX: Final = 10_000
_OF_NO_LISTENER: Final = {"links", "counters", "said", "liked"}
"""Arrays without a row by slot, or whose rows are seen to elsewhere."""


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Bounds and times of stage A; the settings of the same names feed them.

    About 1.5 KB of memory per listener that was ever held, names apart, and 40 bytes for each
    statement of theirs that there is room for.
    """

    listeners_max: int = 200_000
    dedupe_window: int = 64
    lateness_ms: int = 3_600_000
    session_gap_ms: int = 1_800_000
    hold_suspicious: bool = True
    plays_per_look: int = 64  # one play in so many, by its id, shows the forest the conduct
    erasures_max: int = 100_000
    erasure_memory_ms: int = 40 * 86_400_000
    erasure_key: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if min(self.listeners_max, self.dedupe_window, self.erasures_max) < 1:
            raise ValueError("listeners_max, dedupe_window and erasures_max are at least 1")


class Passed(NamedTuple):
    """A play that was not applied: how many were after it, and its context if it was skipped."""

    track: str
    after: int
    context: int


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
    begins: list[int]
    held_back: list[int]
    passed: list[Passed]
    heard: list[int]
    events: list[int]
    said: list[Statement]
    market: str
    last_track: str
    conduct: Conduct
    erased_ms: int


def listening_to(
    arrays: ListenerArrays, listeners: int, artists: Sequence[int], limit: int
) -> list[int]:
    """At most `limit` slots of listeners whose session has one of the artists, used last first.

    Of `listeners`, the 10,000 used last are looked at.
    """
    slots = linked(arrays.links, min(listeners, LISTENING_MAX))[::-1]
    held = np.isin(arrays.artists[slots, :CONTEXT_USED], artists)
    held &= np.arange(CONTEXT_USED) < arrays.meta[slots, SESSION_LENGTH][:, None]
    found: list[int] = slots[held.any(axis=1)][:limit].tolist()
    return found


def new_arrays(limits: ListenerLimits) -> ListenerArrays:
    """Empty state. Zeros that nobody wrote take no memory."""
    slots = limits.listeners_max
    said, liked = new_said()
    return ListenerArrays(
        meta=np.zeros((slots, META_COLUMNS), np.int64),
        recent=np.zeros((slots, RECENT_PLAYS), np.int32),
        artists=np.zeros((slots, RECENT_PLAYS), np.int32),
        passed=np.zeros((slots, PASSED_PLAYS, 2), np.int32),
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


def touch(arrays: ListenerArrays, slot: int, batch: int) -> None:
    """Note that a batch changed a listener outside the kernels."""
    mark_used(arrays.links, arrays.dirty, arrays.counters, slot)
    arrays.stamp[slot] = batch


def clear(arrays: ListenerArrays, slot: int) -> None:
    """Make a slot nobody's: every column of it, so that nothing of the listener is left."""
    unlink(arrays.links, slot)
    arrays.counters[DIRTY] -= int(arrays.dirty[slot])
    columns: dict[str, NDArray[np.generic]] = arrays._asdict()
    for name, column in columns.items():
        if name not in _OF_NO_LISTENER:
            column[slot] = 0


def ids_of(arrays: ListenerArrays, used: int) -> list[NDArray[np.int32]]:
    """Every id in the first `used` slots, but those of statements."""
    meta = arrays.meta[:used, [MARKET, LAST_TRACK]].astype(np.int32)
    passed = arrays.passed[:used, :, 0]
    return [arrays.recent[:used], arrays.artists[:used], passed, arrays.served[:used], meta]


def load(arrays: ListenerArrays, slot: int, record: ListenerRecord, vocabulary: Vocabulary) -> None:
    """Set a slot to a record. Columns longer than this process keeps lose what is oldest."""
    _, recent, heard, events, following, count, length, *numbers = record.head
    plays, newest, last, session, begins, passed, erased, held_back = numbers
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
    arrays.artists[slot, :recent_kept] = ids[2 + recent : 2 + recent + recent_kept]
    passed_at = 2 + 2 * recent
    row, names_at = int(arrays.meta[slot, SAID]), passed_at + len(record.places)
    arrays.passed[slot, : len(record.places), 0] = ids[passed_at:names_at]
    arrays.passed[slot, : len(record.places), 1] = record.places
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
        begins,
        passed,
        erased,
        held_back,
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
        begins=[meta[BEGINS] >> p & 1 for p in range(len(recent))],
        held_back=[meta[HELD_BACK] >> p & 1 for p in range(len(recent))],
        passed=_passed(arrays, slot, names),
        said=statements(arrays, slot, names),
        market=names[meta[MARKET]],
        last_track=names[meta[LAST_TRACK]],
        conduct=Conduct(*arrays.conduct[slot].tolist()),
        erased_ms=meta[ERASED_MS],
    )


def _passed(arrays: ListenerArrays, slot: int, names: list[str]) -> list[Passed]:
    """The plays that were not applied, newest first."""
    meta, found = arrays.meta[slot], []
    total = int(meta[PASSED_COUNT])
    applied = int(meta[PLAYS]) - total
    for number in range(total - 1, max(0, total - PASSED_PLAYS) - 1, -1):
        track, packed = arrays.passed[slot, number % PASSED_PLAYS].tolist()
        context = packed & ((1 << CONTEXT_BITS) - 1)
        found.append(Passed(names[track], applied - (packed >> CONTEXT_BITS), context))
    return found
