"""A track's neighbour row as workers read it from Redis.

Stage B writes it, stage A reads it to score candidates. Binary and columnar, since a worker reads
thousands in a second. The version comes first, as text of fixed width, so that the script in Redis
compares it by bytes as it does for JSON values.

Layout, little-endian:

    version                              30 bytes of ASCII
    space, format version                2 bytes
    plays                                i64
    number of neighbours, zero           2 x u32
    weights                              i64 each
    names                                UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.frames import BadFrame, join_names, split_names
from schemas.outputs import VERSION_WIDTH

__all__ = ["Row", "RowColumns", "decode_row", "encode_row"]

_HEADER: Final = struct.Struct(f"<{VERSION_WIDTH}scBqII")
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class RowColumns:
    """A track's plays and its neighbours, heaviest first. Both columns have equal length."""

    plays: int
    names: list[str]
    weights: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read back, with the version it was written under."""

    version: str
    columns: RowColumns


def encode_row(version: str, columns: RowColumns) -> bytes:
    """The bytes of a row. Raises ValueError if the columns or the version do not fit."""
    count = len(columns.names)
    head = version.encode("ascii")
    if len(columns.weights) != count or len(head) != VERSION_WIDTH:
        raise ValueError("columns differ in length, or the version is not of fixed width")
    weights = columns.weights.astype("<i8", copy=False).tobytes()
    header = _HEADER.pack(head, b" ", _FORMAT, columns.plays, count, 0)
    return header + weights + join_names(columns.names)


def decode_row(raw: bytes) -> Row:
    """Read a row back; the weights are writable. Raises BadFrame on anything else."""
    if len(raw) < _HEADER.size:
        raise BadFrame("row is shorter than its header")
    head, space, form, plays, count, zero = _HEADER.unpack_from(raw)
    names_at = _HEADER.size + 8 * count
    if space != b" " or form != _FORMAT or zero or len(raw) < names_at or not head.isascii():
        raise BadFrame("not a row of this version")
    weights = np.frombuffer(bytearray(raw[_HEADER.size : names_at]), "<i8")
    return Row(head.decode(), RowColumns(plays, split_names(raw[names_at:], count), weights))
