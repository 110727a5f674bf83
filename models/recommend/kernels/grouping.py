"""Numbering names within groups: a frame carries each name it uses once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import allocating

__all__ = ["by_first", "localise"]


@allocating
def localise(
    starts: NDArray[np.int64], ids: NDArray[np.int32], scratch: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Number the distinct ids of each group of entries from 0, in order of appearance.

    Group g is the rows starts[g] to starts[g + 1] of `ids`. `scratch` is indexed by id, all zeros
    before and after. Returns the numbers, the distinct ids of all groups, and where each group's
    begin.
    """
    width = ids.shape[1]
    local = np.empty(ids.shape, np.int32)
    distinct = np.empty(ids.size, np.int32)
    begins = np.zeros(len(starts), np.int64)
    total = 0
    for g in range(len(starts) - 1):
        begin = total
        for i in range(starts[g], starts[g + 1]):
            for j in range(width):
                name = ids[i, j]
                if scratch[name] == 0:
                    distinct[total] = name
                    total += 1
                    scratch[name] = total - begin
                local[i, j] = scratch[name] - 1
        for i in range(begin, total):
            scratch[distinct[i]] = 0
        begins[g + 1] = total
    return local, distinct[:total].copy(), begins


@allocating
def by_first(
    starts: NDArray[np.int64], local: NDArray[np.int32], begins: NDArray[np.int64]
) -> NDArray[np.int64]:
    """An order of entries that sorts each group by its first number; stable, O(entries)."""
    order = np.empty(len(local), np.int64)
    for g in range(len(starts) - 1):
        ends = np.zeros(begins[g + 1] - begins[g] + 1, np.int64)
        for i in range(starts[g], starts[g + 1]):
            ends[local[i, 0] + 1] += 1
        at = starts[g]
        for j in range(len(ends)):
            at += ends[j]
            ends[j] = at
        for i in range(starts[g], starts[g + 1]):
            order[ends[local[i, 0]]] = i
            ends[local[i, 0]] += 1
    return order
