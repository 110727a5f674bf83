"""Binary frames between stages: what one partition task tells another in one record.

Stage A sums a flush's increments and sends each destination partition one frame, as columns: NumPy
arrays of indexes into a list of names. Sums are integers, so order does not matter and a frame may
be split. Decoding is total: damaged bytes raise `BadFrame`, and no index points outside the names,
since compiled code will follow it without looking.

Layout, little-endian, columns aligned so that compiled code reads them in place:

    magic "SG", kind "P", "E" or "T", format version 3   4 bytes
    number of names, of entries, of plays (pairs only)   3 x u32
    columns, in the order each type states               i64 or i32 each
    forward (pairs only)                                 u8 each
    names                                                UTF-8, joined by newline

A name is a track id, or `ARTIST_MARK` and the name of an artist, or `ALBUM_MARK` and that of an
album.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events import ID_BYTES_MAX

__all__ = [
    "ALBUM_MARK",
    "ARTIST_MARK",
    "GENRE_MARK",
    "LANGUAGE_MARK",
    "MARKS",
    "BadFrame",
    "PairsFrame",
    "TrendCountsFrame",
    "decode_pairs",
    "decode_trend_counts",
    "encode_pairs",
    "encode_trend_counts",
    "join_names",
    "split_names",
    "split_pairs",
]

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]

_HEADER: Final = struct.Struct("<2s1sBIII")
_MAGIC: Final = b"SG"
_PAIRS: Final = b"P"
_ERASED: Final = b"E"
_TREND_COUNTS: Final = b"T"
_VERSION: Final = 3

ARTIST_MARK: Final = "\x01"
"""What the name of an artist begins with. Ids hold no control characters, so none is like it."""
ALBUM_MARK: Final = "\x02"
"""What the name of an album begins with."""
GENRE_MARK: Final = "\x03"
LANGUAGE_MARK: Final = "\x04"
"""What those of genres and languages begin with where listeners state them; frames hold none."""
MARKS: Final = ARTIST_MARK + ALBUM_MARK + GENRE_MARK + LANGUAGE_MARK
"""Without those on its left, a name is as people write it."""


class BadFrame(ValueError):
    """The bytes are not a frame of a kind and version that this code reads."""


@dataclass(frozen=True, slots=True)
class PairsFrame:
    """Increments of co-occurrence and of plays. Indexes point into `names`.

    `left`'s row gains `weight` on `right`, played after it where `forward` is 1; `play_track`
    gains `play_count` plays, by `play_artist` (the track itself if no play named one). Columns on
    the wire, kind "P": weight (i64), left, right, then per track play_track, play_artist,
    play_count, then forward (u8).

    `erased`, the frame holds what erased listeners gave, to be taken back; kind "E" then.
    """

    names: list[str]
    play_track: Int32s
    play_artist: Int32s
    play_count: Int32s
    left: Int32s
    right: Int32s
    weight: Int64s
    forward: NDArray[np.uint8]
    erased: bool = False


@dataclass(frozen=True, slots=True)
class TrendCountsFrame:
    """Plays of one market, counted per track and minute. `track` points into `names`.

    `bucket` is the minute: `started_at_ms // 60000`. Columns on the wire, kind "T": bucket (i64),
    track, count. The market goes before the names and is not counted among them.
    """

    market: str
    names: list[str]
    track: Int32s
    bucket: Int64s
    count: Int32s


def encode_pairs(frame: PairsFrame) -> bytes:
    """The bytes of a frame. Raises ValueError if columns differ in length or a name is unfit."""
    entries, plays = len(frame.weight), len(frame.play_track)
    lengths = {len(frame.left), len(frame.right), len(frame.forward)}
    if lengths != {entries} or {len(frame.play_count), len(frame.play_artist)} != {plays}:
        raise ValueError("columns of a pairs frame differ in length")
    kind = _ERASED if frame.erased else _PAIRS
    return b"".join(
        (
            _HEADER.pack(_MAGIC, kind, _VERSION, len(frame.names), entries, plays),
            frame.weight.astype("<i8", copy=False).tobytes(),
            frame.left.astype("<i4", copy=False).tobytes(),
            frame.right.astype("<i4", copy=False).tobytes(),
            frame.play_track.astype("<i4", copy=False).tobytes(),
            frame.play_artist.astype("<i4", copy=False).tobytes(),
            frame.play_count.astype("<i4", copy=False).tobytes(),
            frame.forward.astype("u1", copy=False).tobytes(),
            join_names(frame.names),
        )
    )


def decode_pairs(raw: bytes) -> PairsFrame:
    """The columns of a frame, writable. Raises BadFrame on anything else. O(length)."""
    erased = raw[2:3] == _ERASED
    names_count, entries, plays = _read_header(raw, _ERASED if erased else _PAIRS)
    names_at = _HEADER.size + 17 * entries + 12 * plays
    names = split_names(raw[names_at:], names_count)
    if len(raw) < names_at:
        raise BadFrame("pairs frame is truncated")
    buffer = bytearray(raw)  # one copy, which makes all columns writable
    at = _HEADER.size
    weight = np.frombuffer(buffer, "<i8", entries, at)
    at += 8 * entries
    pairs = np.frombuffer(buffer, "<i4", 2 * entries, at)
    at += 8 * entries
    counted = np.frombuffer(buffer, "<i4", 3 * plays, at)
    at += 12 * plays
    forward = np.frombuffer(buffer, "u1", entries, at)
    if entries and forward.max() > 1:
        raise BadFrame("forward is 0 or 1")
    _check_indexes(pairs, names_count)
    _check_indexes(counted[: 2 * plays], names_count)
    track, artist, count = counted.reshape(3, plays)
    left, right = pairs.reshape(2, entries)
    return PairsFrame(names, track, artist, count, left, right, weight, forward, erased)


def split_pairs(frame: PairsFrame, bytes_max: int) -> list[bytes]:
    """The frame as one record, or as several that each fit `bytes_max` and sum to the same.

    Raises ValueError if one entry alone does not fit.
    """
    raw = encode_pairs(frame)
    if len(raw) <= bytes_max:
        return [raw]
    entries, plays = len(frame.weight), len(frame.play_track)
    if entries + plays < 2:
        raise ValueError(f"one entry takes {len(raw)} bytes, limit {bytes_max}")
    half, half_plays = (entries + 1) // 2, plays // 2  # one of each: not both to one side
    first = _part(frame, slice(0, half), slice(0, half_plays))
    second = _part(frame, slice(half, entries), slice(half_plays, plays))
    return split_pairs(first, bytes_max) + split_pairs(second, bytes_max)


def encode_trend_counts(frame: TrendCountsFrame) -> bytes:
    """The bytes of a frame. Raises ValueError if columns differ in length or a name is unfit."""
    entries = len(frame.track)
    if not len(frame.bucket) == len(frame.count) == entries:
        raise ValueError("columns of a trend counts frame differ in length")
    names = join_names([frame.market, *frame.names])
    return b"".join(
        (
            _HEADER.pack(_MAGIC, _TREND_COUNTS, _VERSION, len(frame.names), entries, 0),
            frame.bucket.astype("<i8", copy=False).tobytes(),
            frame.track.astype("<i4", copy=False).tobytes(),
            frame.count.astype("<i4", copy=False).tobytes(),
            names,
        )
    )


def decode_trend_counts(raw: bytes) -> TrendCountsFrame:
    """The columns of a frame, writable. Raises BadFrame on anything else. O(length)."""
    names_count, entries, more = _read_header(raw, _TREND_COUNTS)
    names_at = _HEADER.size + 16 * entries
    if more or len(raw) < names_at:
        raise BadFrame("trend counts frame is truncated")
    market, *names = split_names(raw[names_at:], names_count + 1)
    buffer = bytearray(raw)
    bucket = np.frombuffer(buffer, "<i8", entries, _HEADER.size)
    rest = np.frombuffer(buffer, "<i4", 2 * entries, _HEADER.size + 8 * entries)
    _check_indexes(rest[:entries], names_count)
    return TrendCountsFrame(market, names, rest[:entries], bucket, rest[entries:])


def join_names(names: list[str]) -> bytes:
    """Names joined by newline. Raises ValueError if one is empty or holds a newline."""
    joined = "\n".join(names)
    if names and (joined.count("\n") != len(names) - 1 or "" in names):
        raise ValueError("a name is empty or holds a newline")
    return joined.encode()


def split_names(blob: bytes, count: int) -> list[str]:
    """The inverse of `join_names`. Raises BadFrame if the blob holds not exactly `count` names."""
    if count == 0 and not blob:
        return []
    try:
        names = blob.decode().split("\n")
    except UnicodeDecodeError:
        raise BadFrame("a name is not UTF-8") from None
    if len(names) != count or "" in names or len(max(names, key=len)) > ID_BYTES_MAX:
        raise BadFrame(f"expected {count} names of 1 to {ID_BYTES_MAX} characters")
    return names


def _read_header(raw: bytes, kind: bytes) -> tuple[int, int, int]:
    if len(raw) < _HEADER.size:
        raise BadFrame("frame is shorter than its header")
    magic, found, version, names, entries, more = _HEADER.unpack_from(raw)
    if magic != _MAGIC or found != kind:
        raise BadFrame("not a frame of this kind")
    if version != _VERSION:
        raise BadFrame(f"frame version {version}; this code reads {_VERSION}")
    return names, entries, more


def _check_indexes(column: Int32s, names_count: int) -> None:
    # Seen as unsigned, a negative index is a large one: one pass checks both ends.
    if len(column) and int(column.view(np.uint32).max()) >= names_count:
        raise BadFrame("an index points outside the names")


def _part(frame: PairsFrame, pairs: slice, plays: slice) -> PairsFrame:
    """Some entries of a frame, with only the names they use."""
    both = (frame.left[pairs], frame.right[pairs])
    columns = (*both, frame.play_track[plays], frame.play_artist[plays])
    used, index = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    left, right, track, artist = np.split(index.astype(np.int32), ends)
    names = [frame.names[i] for i in used.tolist()]
    counts, weight, forward = frame.play_count[plays], frame.weight[pairs], frame.forward[pairs]
    return PairsFrame(names, track, artist, counts, left, right, weight, forward, frame.erased)
