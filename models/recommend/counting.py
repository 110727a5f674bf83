"""Sums that wait to be sent: (name, name) or (market, track, minute) to an integer, combined.

A table grows with what is between two drains, which the size of a flush bounds, and keeps its room.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.table import Table, clear_table, copy_table

__all__ = ["Sums"]

_START_ROOM: Final = 1 << 14


class Sums:
    """A hash table of sums for kernels to add to, drained in order of first use.

    `room` is what it begins with, a power of two; half of it is used.
    """

    def __init__(self, room: int = _START_ROOM) -> None:
        self.table = _new_table(room)

    def __len__(self) -> int:
        return int(self.table.size[0])

    def reserve(self, more: int) -> None:
        """Make room for `more` new sums. O(sums) when it has to grow."""
        room = len(self.table.order)
        needed = len(self) + more
        if needed <= room:
            return
        while room < needed:
            room *= 2
        grown = _new_table(2 * room)
        copy_table(self.table, grown)
        self.table = grown

    def drain(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The keys, their second halves and their sums; the table is empty afterwards."""
        table = self.table
        order = table.order[: len(self)]
        columns = table.key[order], table.other[order], table.total[order]
        clear_table(table)
        return columns

    def used_ids(self) -> list[NDArray[np.int32]]:
        """The ids in the keys: each key is two of them."""
        keys = self.table.key[self.table.order[: len(self)]]
        return [(keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)]


def _new_table(room: int) -> Table:
    # Half of the room stays empty, so that a chain of collisions is short.
    return Table(
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room // 2, np.int32),
        np.zeros(1, np.int64),
    )
