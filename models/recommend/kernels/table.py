"""A hash table of sums, in arrays: what a batch has to tell the next stage, combined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import inlined, kernel

__all__ = ["Table", "add", "clear_table", "copy_table"]


class Table(NamedTuple):
    """Open addressing from two numbers to a sum. A key is never 0; `order` is of first use."""

    key: NDArray[np.int64]
    other: NDArray[np.int64]
    total: NDArray[np.int64]
    order: NDArray[np.int32]
    size: NDArray[np.int64]


@inlined
def add(table: Table, key: int, other: int, amount: int) -> None:
    """Add to a sum. The caller has reserved room."""
    mask = np.uint64(len(table.key) - 1)
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.uint64(other) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(32)
    at = np.int64(mixed & mask)
    while table.key[at] != 0:
        if table.key[at] == key and table.other[at] == other:
            table.total[at] += amount
            return
        at = np.int64(np.uint64(at + 1) & mask)
    table.key[at] = key
    table.other[at] = other
    table.total[at] = amount
    table.order[table.size[0]] = at
    table.size[0] += 1


@kernel
def copy_table(old: Table, new: Table) -> None:
    """Add all sums of one table to another, in order of first use."""
    for i in range(old.size[0]):
        at = old.order[i]
        add(new, old.key[at], old.other[at], old.total[at])


@kernel
def clear_table(table: Table) -> None:
    """Forget all sums. O(sums), not O(room)."""
    for i in range(table.size[0]):
        table.key[table.order[i]] = 0
    table.size[0] = 0
