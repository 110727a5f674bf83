"""The binary form of a listener: one compact record per listener in the changelog.

Layout, little-endian:

    format version                       u8
    counts: recent, heard, events, where the ring of events goes on, blocked     u16 each
    session length                       u8
    plays, newest start, last start, session hash                                i64 each
    hashes of event ids                  i64 each, as they stand in the ring
    hashes of heard tracks               u32 each, newest first
    names: market, last track, recent tracks, blocked tracks     UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.listening import (
    BLOCKED_COUNT,
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

__all__ = ["ListenerRecord", "decode_listener", "encode_listeners"]

_VERSION: Final = 1
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
    heard: NDArray[np.uint32]
    names: list[str]

    @property
    def recent_count(self) -> int:
        """How many of `names`, from the third on, are recent tracks; the rest are blocked."""
        return self.head[1]


def encode_listeners(
    arrays: ListenerArrays, slots: NDArray[np.int32], names: NDArray[np.object_]
) -> list[bytes]:
    """The records of many listeners at once, in the order of `slots`. `names` is by id."""
    meta = arrays.meta[slots]
    heads = np.empty(len(slots), _HEAD_TYPE)
    heads["version"] = _VERSION
    for field, column in _HEAD_COLUMNS:
        heads[field] = meta[:, column]
    head, width = heads.tobytes(), _HEAD.size
    events = arrays.events[slots].tobytes()
    heard = arrays.heard[slots].tobytes()
    event_width, heard_width = 8 * arrays.events.shape[1], 4 * arrays.heard.shape[1]
    ids = np.concatenate((meta[:, (MARKET, LAST_TRACK)], arrays.recent[slots]), axis=1)
    # No wider than the longest: most listeners have few recent tracks in the beginning.
    texts = names[ids[:, : 2 + int(meta[:, RECENT_COUNT].max(initial=0))]].tolist()
    records = []
    columns = (RECENT_COUNT, HEARD_COUNT, EVENT_COUNT, BLOCKED_COUNT)
    for i, (recent, heard_count, event_count, blocked) in enumerate(meta[:, columns].tolist()):
        words = texts[i][: 2 + recent]
        if blocked:
            words += names[arrays.blocked[slots[i], :blocked]].tolist()
        records.append(
            head[i * width : (i + 1) * width]
            + events[i * event_width : i * event_width + 8 * event_count]
            + heard[i * heard_width : i * heard_width + 4 * heard_count]
            + "\n".join(words).encode()
        )
    return records


def decode_listener(value: bytes) -> ListenerRecord:
    """Read a record back. Raises ValueError on anything else."""
    if len(value) < _HEAD.size or value[0] != _VERSION:
        raise ValueError("not a listener record of a version that this code reads")
    head = _HEAD.unpack_from(value)
    _, recent, heard_count, event_count, _, blocked, *_ = head
    heard_at = _HEAD.size + 8 * event_count
    names_at = heard_at + 4 * heard_count
    if len(value) < names_at:
        raise ValueError("listener record is truncated")
    events = np.frombuffer(value, "<i8", event_count, _HEAD.size)
    heard = np.frombuffer(value, "<u4", heard_count, heard_at)
    names = value[names_at:].decode().split("\n")
    if len(names) != 2 + recent + blocked:
        raise ValueError("listener record holds another number of names than it says")
    return ListenerRecord(head, events, heard, names)
