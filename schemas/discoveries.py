"""Discoveries: plays of tracks new to their listeners, and what those played before.

They teach the embedding of tracks. Like other frames they come as columns of indexes into a list of
names, and decoding is total: damaged bytes raise `BadFrame`, and no index points outside the names.

Layout, little-endian:

    magic "SG", kind "D", format version 1               4 bytes
    number of names, of discoveries, of tracks before    3 x u32
    track, number of tracks before it                    i32 each
    tracks before, the newest first, discovery by discovery  i32 each
    names                                                UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.frames import BadFrame, join_names, split_names

__all__ = ["DiscoveriesFrame", "decode_discoveries", "encode_discoveries", "split_discoveries"]

Int32s = NDArray[np.int32]

_HEADER: Final = struct.Struct("<4sIII")
_MAGIC: Final = b"SGD\x01"


@dataclass(frozen=True, slots=True)
class DiscoveriesFrame:
    """Discoveries in order. Indexes point into `names`.

    `before` holds the listener's distinct tracks before each `track`, `size` of them each.
    """

    names: list[str]
    track: Int32s
    size: Int32s
    before: Int32s


def encode_discoveries(frame: DiscoveriesFrame) -> bytes:
    """The bytes of a frame. Raises ValueError if columns do not fit or a name is unfit."""
    if len(frame.track) != len(frame.size) or int(frame.size.sum()) != len(frame.before):
        raise ValueError("columns of a discoveries frame differ in length")
    return b"".join(
        (
            _HEADER.pack(_MAGIC, len(frame.names), len(frame.track), len(frame.before)),
            *(
                column.astype("<i4", copy=False).tobytes()
                for column in (frame.track, frame.size, frame.before)
            ),
            join_names(frame.names),
        )
    )


def decode_discoveries(raw: bytes) -> DiscoveriesFrame:
    """The columns of a frame. Raises BadFrame on anything else. O(length)."""
    if len(raw) < _HEADER.size:
        raise BadFrame("frame is shorter than its header")
    magic, names_count, count, before_count = _HEADER.unpack_from(raw)
    if magic != _MAGIC:
        raise BadFrame("not a frame of discoveries, or of a version that this code reads")
    names_at = _HEADER.size + 4 * (2 * count + before_count)
    if len(raw) < names_at:
        raise BadFrame("discoveries frame is truncated")
    names = split_names(raw[names_at:], names_count)
    columns = np.frombuffer(raw, "<i4", 2 * count + before_count, _HEADER.size)
    track, size, before = np.split(columns, [count, 2 * count])
    if (size < 0).any() or int(size.sum(dtype=np.int64)) != before_count:
        raise BadFrame("sizes do not add up")
    for column in (track, before):
        if len(column) and int(column.view(np.uint32).max()) >= names_count:
            raise BadFrame("an index points outside the names")
    return DiscoveriesFrame(names, track, size, before)


def split_discoveries(frame: DiscoveriesFrame, bytes_max: int) -> list[bytes]:
    """The frame as one record, or as several, in order, that each fit `bytes_max`.

    Raises ValueError if one discovery alone does not fit.
    """
    raw = encode_discoveries(frame)
    if len(raw) <= bytes_max:
        return [raw]
    count = len(frame.track)
    if count < 2:
        raise ValueError(f"one discovery takes {len(raw)} bytes, limit {bytes_max}")
    first, second = _part(frame, 0, count // 2), _part(frame, count // 2, count)
    return split_discoveries(first, bytes_max) + split_discoveries(second, bytes_max)


def _part(frame: DiscoveriesFrame, start: int, end: int) -> DiscoveriesFrame:
    """Some of the discoveries, with only the names they use."""
    ends = np.concatenate(([0], np.cumsum(frame.size)))
    before = frame.before[ends[start] : ends[end]]
    together = np.concatenate((frame.track[start:end], before))
    used, index = np.unique(together, return_inverse=True)
    track, before = np.split(index.astype(np.int32), [end - start])
    return DiscoveriesFrame([frame.names[i] for i in used], track, frame.size[start:end], before)
