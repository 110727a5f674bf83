"""What a listener said and what of it holds: rows of `ListenerArrays.said`, oldest first.

Few listeners say anything, so rows are given to those who do, and their arrays grow by doubling.
A like has a row of `liked` beside it: the artist and the likes that it was added to.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.listener import (
    AT_MS,
    KEPT,
    LIKED,
    LIKED_WITH,
    SAID,
    SAID_COUNT,
    STATEMENT,
    ListenerArrays,
)

__all__ = ["SaidRows", "Statement", "add", "drop", "find", "oldest", "statements"]

STATEMENTS_MAX: Final = sum(KEPT)
_ID: Final = 0xFFFFFFFF
_START_ROWS: Final = 16

Number = TypeVar("Number", np.int32, np.int64)


class Statement(NamedTuple):
    """A statement that holds, by name; `liked` is what a like was added to, artist first."""

    kind: int
    subject: str
    at_ms: int
    liked: tuple[str, ...] = ()


class SaidRows:
    """Gives rows of `said` to slots, and takes them back."""

    def __init__(self) -> None:
        self._used = 0
        self._free: list[int] = []

    def give(self, arrays: ListenerArrays, slot: int) -> ListenerArrays:
        """The arrays, in which the slot has a row."""
        if arrays.meta[slot, SAID]:
            return arrays
        if self._free:
            row = self._free.pop()
        else:
            row, self._used = self._used, self._used + 1
        if row == len(arrays.said):
            arrays = arrays._replace(said=_doubled(arrays.said), liked=_doubled(arrays.liked))
        arrays.meta[slot, SAID] = row + 1
        return arrays

    def take_back(self, arrays: ListenerArrays, slot: int) -> None:
        """Empty the slot's row, if it has one."""
        row = int(arrays.meta[slot, SAID]) - 1
        if row >= 0:
            arrays.said[row] = 0
            arrays.liked[row] = 0
            arrays.meta[slot, [SAID, SAID_COUNT]] = 0
            self._free.append(row)

    def used_ids(self, arrays: ListenerArrays) -> list[NDArray[np.int32]]:
        """Every id in use, for the vocabulary's sweep."""
        said = arrays.said[: self._used, :, STATEMENT] & _ID
        return [said.astype(np.int32), arrays.liked[: self._used]]


def new_said() -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Rows that nobody has yet: of `said` and of `liked`."""
    said = np.zeros((_START_ROWS, STATEMENTS_MAX, 2), np.int64)
    return said, np.zeros((_START_ROWS, KEPT[LIKED], LIKED_WITH), np.int32)


def held(arrays: ListenerArrays, slot: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What holds of what a listener said, and what their likes were added to; in place."""
    row, count = int(arrays.meta[slot, SAID]) - 1, int(arrays.meta[slot, SAID_COUNT])
    said = arrays.said[row, :count]
    likes = int((said[:, STATEMENT] >> 32 == LIKED).sum())
    return said, arrays.liked[row, :likes]


def find(arrays: ListenerArrays, slot: int, kinds: tuple[int, ...], subject: int) -> int | None:
    """Where a statement of one of these kinds on a subject stands."""
    said, _ = held(arrays, slot)
    for kind in kinds:
        found = np.flatnonzero(said[:, STATEMENT] == (kind << 32 | subject))
        if len(found):
            return int(found[0])
    return None


def oldest(arrays: ListenerArrays, slot: int, kind: int) -> int | None:
    """Where the oldest statement of a kind stands, if no more of the kind are kept."""
    said, _ = held(arrays, slot)
    found = np.flatnonzero(said[:, STATEMENT] >> 32 == kind)
    return int(found[0]) if len(found) >= KEPT[kind] else None


def add(
    arrays: ListenerArrays,
    slot: int,
    statement: tuple[int, int, int],
    added_to: NDArray[np.int32] | None = None,
) -> None:
    """Note a statement (kind, subject, time); there is room. `added_to` comes with a like."""
    _, liked = held(arrays, slot)
    row, count = int(arrays.meta[slot, SAID]) - 1, int(arrays.meta[slot, SAID_COUNT])
    kind, subject, at_ms = statement
    arrays.said[row, count] = kind << 32 | subject, at_ms
    arrays.meta[slot, SAID_COUNT] = count + 1
    if added_to is not None:
        arrays.liked[row, len(liked)] = added_to


def drop(arrays: ListenerArrays, slot: int, at: int) -> tuple[int, int, NDArray[np.int32] | None]:
    """Forget a statement: its kind, its subject, and what it was added to if it is a like."""
    said, liked = held(arrays, slot)
    kind, subject = divmod(int(said[at, STATEMENT]), 1 << 32)
    added = None
    if kind == LIKED:
        place = int((said[:at, STATEMENT] >> 32 == LIKED).sum())
        added = liked[place].copy()
        liked[place:-1] = liked[place + 1 :].copy()
        liked[-1] = 0
    said[at:-1] = said[at + 1 :].copy()
    said[-1] = 0
    arrays.meta[slot, SAID_COUNT] -= 1
    return kind, subject, added


def statements(arrays: ListenerArrays, slot: int, names: list[str]) -> list[Statement]:
    """What holds, by name."""
    said, liked = held(arrays, slot)
    added = iter(liked.tolist())
    return [
        Statement(
            key >> 32,
            names[key & _ID],
            at_ms,
            tuple(names[i] for i in next(added)) if key >> 32 == LIKED else (),
        )
        for key, at_ms in zip(said[:, STATEMENT].tolist(), said[:, AT_MS].tolist(), strict=True)
    ]


def _doubled(array: NDArray[Number]) -> NDArray[Number]:
    grown = np.zeros((2 * len(array), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
