"""The binary form of a listener: one compact record per listener in the changelog.

Layout, little-endian:

    format version                       u8
    counts: recent, heard, events, where the ring of events goes on, statements  u16 each
    session length                       u8
    plays, newest start, last start, session hash, where sessions began among
           recent tracks (a bit each), plays not applied, until when erased,
           which recent tracks were held back (a bit each)                       i64 each
    conduct: the columns of `kernels.conduct`                                    i32 each
    hashes of event ids, lower 32 bits   u32 each, as they stand in the ring
    their upper 8                        u8 each
    hashes of heard tracks               u16 each, newest first
    when each statement was made         i64 each, oldest first
    kinds of the statements              u8 each
    plays before each of the last that were not applied, and its context         i32 each, as they
           stand in the ring
    names: market, last track, recent tracks, artists of
           them, tracks of plays not applied, subjects of
           the statements, and what each like was added to:
           an artist and five likes, or empty           UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.conduct import CONDUCT_COLUMNS
from models.recommend.kernels.listener import (
    AT_MS,
    BEGINS,
    ERASED_MS,
    EVENT_COUNT,
    EVENT_NEXT,
    HEARD_COUNT,
    HELD_BACK,
    LAST_MS,
    LAST_TRACK,
    LIKED,
    LIKED_WITH,
    MARKET,
    NEWEST_MS,
    PASSED_COUNT,
    PASSED_PLAYS,
    PLAYS,
    RECENT_COUNT,
    SAID_COUNT,
    SESSION,
    SESSION_LENGTH,
    STATEMENT,
    ListenerArrays,
)
from models.recommend.said import held

__all__ = ["ListenerColumns", "ListenerRecord", "decode_listener", "join_events"]

_VERSION: Final = 3
_ID: Final = 0xFFFFFFFF
_HEAD: Final = struct.Struct("<BHHHHHBqqqqqqqq")
_HEAD_TYPE: Final = np.dtype(
    [("version", "u1")]
    + [(name, "<u2") for name in ("recent", "heard", "events", "next", "said")]
    + [("length", "u1")]
    + [(name, "<i8") for name in ("plays", "newest", "last", "session")]
    + [(name, "<i8") for name in ("begins", "passed", "erased", "held")]
)
_CONDUCT_BYTES: Final = 4 * CONDUCT_COLUMNS
_PASSED: Final = 12  # its place in the head
_PLACES_WIDTH: Final = 4 * PASSED_PLAYS
_HEAD_COLUMNS: Final = (
    ("recent", RECENT_COUNT),
    ("heard", HEARD_COUNT),
    ("events", EVENT_COUNT),
    ("next", EVENT_NEXT),
    ("said", SAID_COUNT),
    ("length", SESSION_LENGTH),
    ("plays", PLAYS),
    ("newest", NEWEST_MS),
    ("last", LAST_MS),
    ("session", SESSION),
    ("begins", BEGINS),
    ("passed", PASSED_COUNT),
    ("erased", ERASED_MS),
    ("held", HELD_BACK),
)


Said = tuple[NDArray[np.int64], NDArray[np.int32]]
"""Statements of a listener, and what their likes were added to."""


class ListenerRecord(NamedTuple):
    """A record as read back."""

    head: tuple[int, ...]
    conduct: NDArray[np.int32]
    events: NDArray[np.int64]
    heard: NDArray[np.uint16]
    said_ms: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    places: NDArray[np.int32]
    names: list[str]


def join_events(lows: NDArray[np.uint32], highs: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Hashes of event ids from their parts."""
    return lows.astype(np.int64) | (highs.astype(np.int64) << 32)


class ListenerColumns(NamedTuple):
    """What the records of some listeners need, a row for each and no wider than the longest."""

    meta: NDArray[np.int64]
    conduct: NDArray[np.int32]
    events: NDArray[np.uint32]
    events_high: NDArray[np.uint8]
    heard: NDArray[np.uint16]
    names: NDArray[np.int32]  # ids of market, last track and recent tracks
    artists: NDArray[np.int32]
    passed: NDArray[np.int32]
    places: NDArray[np.int32]
    said: list[Said | None]

    @classmethod
    def copy(cls, arrays: ListenerArrays, slots: NDArray[np.int32]) -> ListenerColumns:
        """The rows of `slots` as they are now."""
        meta = arrays.meta.take(slots, axis=0)  # twice as fast as an index, of all there is
        recent, heard, events = (
            int(meta[:, column].max(initial=0))
            for column in (RECENT_COUNT, HEARD_COUNT, EVENT_COUNT)
        )
        said: list[Said | None] = [None] * len(slots)
        for i in np.flatnonzero(meta[:, SAID_COUNT]).tolist():
            statements, liked = held(arrays, int(slots[i]))
            said[i] = statements.copy(), liked.copy()
        names = np.empty((len(slots), 2 + recent), np.int32)
        names[:, :2] = meta[:, (MARKET, LAST_TRACK)]
        names[:, 2:] = arrays.recent.take(slots, axis=0)[:, :recent]
        passed = arrays.passed.take(slots, axis=0)
        return cls(
            meta,
            arrays.conduct.take(slots, axis=0),
            arrays.events.take(slots, axis=0)[:, :events],
            arrays.events_high.take(slots, axis=0)[:, :events],
            arrays.heard.take(slots, axis=0)[:, :heard],
            names,
            arrays.artists.take(slots, axis=0)[:, :recent],
            passed[:, :, 0],
            passed[:, :, 1],
            said,
        )

    def part(self, start: int, end: int) -> ListenerColumns:
        """Some of the rows, not copied."""
        return ListenerColumns._make(column[start:end] for column in self)

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id in these rows."""
        said = [each for each in self.said if each is not None]
        subjects = [(statements[:, STATEMENT] & _ID).astype(np.int32) for statements, _ in said]
        return [self.names, self.artists, self.passed, *subjects, *(liked for _, liked in said)]

    def encode(self, names: NDArray[np.object_]) -> list[bytes]:
        """A record for each row. `names` is by id."""
        meta = self.meta
        heads = np.empty(len(meta), _HEAD_TYPE)
        heads["version"] = _VERSION
        for field, column in _HEAD_COLUMNS:
            heads[field] = meta[:, column]
        head, width = heads.tobytes(), _HEAD.size
        conduct = self.conduct.tobytes()
        events, highs = self.events.tobytes(), self.events_high.tobytes()
        heard, window, heard_width = self.heard.tobytes(), self.events.shape[1], self.heard.shape[1]
        places, passed = self.places.tobytes(), np.minimum(meta[:, PASSED_COUNT], PASSED_PLAYS)
        texts, artists = names[self.names].tolist(), names[self.artists].tolist()
        records = []
        counts = meta[:, (RECENT_COUNT, HEARD_COUNT, EVENT_COUNT)].tolist()
        for i, (recent, heard_count, event_count) in enumerate(counts):
            words, said = texts[i][: 2 + recent] + artists[i][:recent], b""
            over = int(passed[i])
            if over:
                words += names[self.passed[i, :over]].tolist()
            if (stated := self.said[i]) is not None:
                statements, liked = stated
                said = statements[:, AT_MS].tobytes()
                said += (statements[:, STATEMENT] >> 32).astype(np.uint8).tobytes()
                words += names[statements[:, STATEMENT] & _ID].tolist()
                words += names[liked.ravel()].tolist()
            records.append(
                head[i * width : (i + 1) * width]
                + conduct[i * _CONDUCT_BYTES : (i + 1) * _CONDUCT_BYTES]
                + events[4 * i * window : 4 * (i * window + event_count)]
                + highs[i * window : i * window + event_count]
                + heard[2 * i * heard_width : 2 * (i * heard_width + heard_count)]
                + said
                + places[i * _PLACES_WIDTH : i * _PLACES_WIDTH + 4 * over]
                + "\n".join(words).encode()
            )
        return records


def decode_listener(value: bytes) -> ListenerRecord:
    """Read a record back. Raises ValueError on anything else."""
    if len(value) < _HEAD.size + _CONDUCT_BYTES or value[0] != _VERSION:
        raise ValueError("not a listener record of a version that this code reads")
    head = _HEAD.unpack_from(value)
    _, recent, heard_count, event_count, _, count, *_ = head
    events_at = _HEAD.size + _CONDUCT_BYTES
    highs_at = events_at + 4 * event_count
    heard_at = highs_at + event_count
    said_at = heard_at + 2 * heard_count
    places_at = said_at + 9 * count
    passed = min(head[_PASSED], PASSED_PLAYS)
    names_at = places_at + 4 * passed
    if len(value) < names_at:
        raise ValueError("listener record is truncated")
    conduct = np.frombuffer(value, "<i4", CONDUCT_COLUMNS, _HEAD.size)
    events = join_events(
        np.frombuffer(value, "<u4", event_count, events_at),
        np.frombuffer(value, "u1", event_count, highs_at),
    )
    heard = np.frombuffer(value, "<u2", heard_count, heard_at)
    said_ms = np.frombuffer(value, "<i8", count, said_at)
    kinds = np.frombuffer(value, "u1", count, said_at + 8 * count)
    places = np.frombuffer(value, "<i4", passed, places_at)
    names = value[names_at:].decode().split("\n")
    added = LIKED_WITH * int((kinds == LIKED).sum())
    if len(names) != 2 + 2 * recent + passed + count + added:
        raise ValueError("listener record holds another number of names than it says")
    return ListenerRecord(head, conduct, events, heard, said_ms, kinds, places, names)
