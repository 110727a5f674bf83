"""The binary form of a track's row: one compact record per track in the changelog.

Layout, little-endian:

    format version, number of neighbours     u8, u16
    plays                                    i64
    weights                                  i64 each
    names                                    UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.rows import RowArrays

__all__ = ["decode_neighbours", "encode_neighbours"]

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BHq")


def encode_neighbours(
    rows: RowArrays, slots: NDArray[np.int32], names: NDArray[np.object_]
) -> list[bytes]:
    """The records of many rows at once, in the order of `slots`. `names` is by id."""
    weights, width = rows.weights[slots].tobytes(), 8 * rows.weights.shape[1]
    texts = names[rows.ids[slots]].tolist()
    plays = rows.plays[slots].tolist()
    return [
        _HEAD.pack(_VERSION, size, plays[i])
        + weights[i * width : i * width + 8 * size]
        + "\n".join(texts[i][:size]).encode()
        for i, size in enumerate(rows.sizes[slots].tolist())
    ]


def decode_neighbours(value: bytes) -> tuple[int, NDArray[np.int64], list[str]]:
    """Plays, weights and names of a record. Raises ValueError on anything else."""
    if len(value) < _HEAD.size or value[0] != _VERSION:
        raise ValueError("not a neighbours record of a version that this code reads")
    _, size, plays = _HEAD.unpack_from(value)
    names_at = _HEAD.size + 8 * size
    if len(value) < names_at:
        raise ValueError("neighbours record is truncated")
    names = value[names_at:].decode().split("\n") if size else []
    if len(names) != size:
        raise ValueError("neighbours record holds another number of names than it says")
    return plays, np.frombuffer(value, "<i8", size, _HEAD.size), names
