"""The binary form of a track's row: one compact record per track in the changelog.

Layout, little-endian:

    format version, number of neighbours     u8, u16
    plays                                    i64
    weights, the part of each that came after the track     i64 each
    fading weights                           f32 each
    names: the track's artist or nothing, and neighbours     UTF-8, joined by newline
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.changing import Records
from models.recommend.kernels.rows import RowArrays

__all__ = ["NeighbourColumns", "decode_neighbours"]

_VERSION: Final = 3
_HEAD: Final = struct.Struct("<BHq")


Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


class NeighbourColumns(NamedTuple):
    """What the records of some rows need, no wider than the longest row."""

    owner: NDArray[np.int32]
    artist: NDArray[np.int32]
    plays: NDArray[np.int64]
    sizes: NDArray[np.int32]
    ids: NDArray[np.int32]
    weights: NDArray[np.int64]
    forward: NDArray[np.int64]
    fading: NDArray[np.float32]

    @classmethod
    def copy(cls, rows: RowArrays, slots: NDArray[np.int32]) -> NeighbourColumns:
        """The rows of `slots` as they are now."""
        sizes = rows.sizes[slots]
        width = int(sizes.max(initial=0))
        return cls(
            rows.owner[slots],
            rows.artist[slots],
            rows.plays[slots],
            sizes,
            rows.ids[slots, :width],
            rows.weights[slots, :width],
            rows.forward[slots, :width],
            rows.fading[slots, :width],
        )

    def part(self, start: int, end: int) -> NeighbourColumns:
        """Some of the rows, not copied."""
        return NeighbourColumns._make(column[start:end] for column in self)

    def encode(self, names: NDArray[np.object_]) -> Records:
        """Key and record of each row. `names` is by id."""
        keys = names[self.owner].tolist()
        width = self.weights.shape[1]
        weights, forward, fading = (
            column.tobytes() for column in (self.weights, self.forward, self.fading)
        )
        texts, artists = names[self.ids].tolist(), names[self.artist].tolist()
        plays = self.plays.tolist()
        return [
            (
                keys[i].encode(),
                _HEAD.pack(_VERSION, size, plays[i])
                + weights[8 * i * width : 8 * (i * width + size)]
                + forward[8 * i * width : 8 * (i * width + size)]
                + fading[4 * i * width : 4 * (i * width + size)]
                + "\n".join([artists[i], *texts[i][:size]]).encode(),
            )
            for i, size in enumerate(self.sizes.tolist())
        ]


def decode_neighbours(value: bytes) -> tuple[int, Columns, list[str]]:
    """Plays, columns (weights, forward, fading) and names, that of the artist first.

    Raises ValueError on anything else.
    """
    if len(value) < _HEAD.size or value[0] != _VERSION:
        raise ValueError("not a neighbours record of a version that this code reads")
    _, size, plays = _HEAD.unpack_from(value)
    names_at = _HEAD.size + 20 * size
    if len(value) < names_at:
        raise ValueError("neighbours record is truncated")
    names = value[names_at:].decode().split("\n")
    if len(names) != 1 + size:
        raise ValueError("neighbours record holds another number of names than it says")
    columns = (
        np.frombuffer(value, "<i8", size, _HEAD.size),
        np.frombuffer(value, "<i8", size, _HEAD.size + 8 * size),
        np.frombuffer(value, "<f4", size, _HEAD.size + 16 * size),
    )
    return plays, columns, names
