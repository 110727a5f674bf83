"""The binary form of a listener: one compact record per listener in the changelog.

Layout, little-endian:

    format version                       u8
    counts: recent, heard, events, where the ring of events goes on, blocked     u16 each
    session length                       u8
    plays, newest start, last start, session hash                                i64 each
    hashes of event ids, lower 32 bits   u32 each, as they stand in the ring
    their upper 8                        u8 each
    hashes of heard tracks               u16 each, newest first
    names: market, last track, recent tracks, artists of
           the first five of them, blocked tracks       UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.listener import (
    BLOCKED_COUNT,
    CONTEXT_USED,
    EVENT_COUNT,
    EVENT_NEXT,
    HEARD_COUNT,
    LAST_MS,
    LAST_TRACK,
    MARKET,
    NEWEST_MS,
    PLAYS,
    RECENT_COUNT,
    SESSION,
    SESSION_LENGTH,
    ListenerArrays,
)

__all__ = ["ListenerColumns", "ListenerRecord", "decode_listener", "join_events"]

_VERSION: Final = 3
_HEAD: Final = struct.Struct("<BHHHHHBqqqq")
_HEAD_TYPE: Final = np.dtype(
    [("version", "u1")]
    + [(name, "<u2") for name in ("recent", "heard", "events", "next", "blocked")]
    + [("length", "u1")]
    + [(name, "<i8") for name in ("plays", "newest", "last", "session")]
)
_HEAD_COLUMNS: Final = (
    ("recent", RECENT_COUNT),
    ("heard", HEARD_COUNT),
    ("events", EVENT_COUNT),
    ("next", EVENT_NEXT),
    ("blocked", BLOCKED_COUNT),
    ("length", SESSION_LENGTH),
    ("plays", PLAYS),
    ("newest", NEWEST_MS),
    ("last", LAST_MS),
    ("session", SESSION),
)


class ListenerRecord(NamedTuple):
    """A record as read back."""

    head: tuple[int, ...]
    events: NDArray[np.int64]
    heard: NDArray[np.uint16]
    names: list[str]


def join_events(lows: NDArray[np.uint32], highs: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Hashes of event ids from their parts."""
    return lows.astype(np.int64) | (highs.astype(np.int64) << 32)


class ListenerColumns(NamedTuple):
    """What the records of some listeners need, a row for each and no wider than the longest."""

    meta: NDArray[np.int64]
    events: NDArray[np.uint32]
    events_high: NDArray[np.uint8]
    heard: NDArray[np.uint16]
    names: NDArray[np.int32]  # ids of market, last track and recent tracks
    artists: NDArray[np.int32]
    blocked: NDArray[np.int32]

    @classmethod
    def copy(cls, arrays: ListenerArrays, slots: NDArray[np.int32]) -> ListenerColumns:
        """The rows of `slots` as they are now."""
        meta = arrays.meta[slots]
        recent, heard, events, blocked = (
            int(meta[:, column].max(initial=0))
            for column in (RECENT_COUNT, HEARD_COUNT, EVENT_COUNT, BLOCKED_COUNT)
        )
        names = np.empty((len(slots), 2 + recent), np.int32)
        names[:, :2] = meta[:, (MARKET, LAST_TRACK)]
        names[:, 2:] = arrays.recent[slots, :recent]
        return cls(
            meta,
            arrays.events[slots, :events],
            arrays.events_high[slots, :events],
            arrays.heard[slots, :heard],
            names,
            arrays.artists[slots],
            arrays.blocked[slots, :blocked],
        )

    def part(self, start: int, end: int) -> ListenerColumns:
        """Some of the rows, not copied."""
        return ListenerColumns._make(column[start:end] for column in self)

    def encode(self, names: NDArray[np.object_]) -> list[bytes]:
        """A record for each row. `names` is by id."""
        meta = self.meta
        heads = np.empty(len(meta), _HEAD_TYPE)
        heads["version"] = _VERSION
        for field, column in _HEAD_COLUMNS:
            heads[field] = meta[:, column]
        head, width = heads.tobytes(), _HEAD.size
        events, highs = self.events.tobytes(), self.events_high.tobytes()
        heard, window, heard_width = self.heard.tobytes(), self.events.shape[1], self.heard.shape[1]
        texts, artists = names[self.names].tolist(), names[self.artists].tolist()
        records = []
        counts = meta[:, (RECENT_COUNT, HEARD_COUNT, EVENT_COUNT, BLOCKED_COUNT)].tolist()
        for i, (recent, heard_count, event_count, blocked) in enumerate(counts):
            words = texts[i][: 2 + recent] + artists[i][:recent]
            if blocked:
                words += names[self.blocked[i, :blocked]].tolist()
            records.append(
                head[i * width : (i + 1) * width]
                + events[4 * i * window : 4 * (i * window + event_count)]
                + highs[i * window : i * window + event_count]
                + heard[2 * i * heard_width : 2 * (i * heard_width + heard_count)]
                + "\n".join(words).encode()
            )
        return records


def decode_listener(value: bytes) -> ListenerRecord:
    """Read a record back. Raises ValueError on anything else."""
    if len(value) < _HEAD.size or value[0] != _VERSION:
        raise ValueError("not a listener record of a version that this code reads")
    head = _HEAD.unpack_from(value)
    _, recent, heard_count, event_count, _, blocked, *_ = head
    highs_at = _HEAD.size + 4 * event_count
    heard_at = highs_at + event_count
    names_at = heard_at + 2 * heard_count
    if len(value) < names_at:
        raise ValueError("listener record is truncated")
    events = join_events(
        np.frombuffer(value, "<u4", event_count, _HEAD.size),
        np.frombuffer(value, "u1", event_count, highs_at),
    )
    heard = np.frombuffer(value, "<u2", heard_count, heard_at)
    names = value[names_at:].decode().split("\n")
    if len(names) != 2 + recent + min(recent, CONTEXT_USED) + blocked:
        raise ValueError("listener record holds another number of names than it says")
    return ListenerRecord(head, events, heard, names)
