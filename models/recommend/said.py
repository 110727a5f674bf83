"""What a listener said and what of it holds: rows of `ListenerArrays.said`, oldest first.

Few listeners say anything, and most of those little. So room for some rows in a line is given to
those who do, more when they need more: 40 bytes a statement, at most four times as many as they
made. The arrays grow by doubling. Beside each statement stands what a like was added to: the
artist, and the likes before it.
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
    TASTE_ARTIST,
    ListenerArrays,
)

__all__ = [
    "SaidRows",
    "Statement",
    "add",
    "drop",
    "find",
    "held",
    "named_artists",
    "new_said",
    "oldest",
    "put",
    "statements",
]

STATEMENTS_MAX: Final = sum(KEPT)
_ID: Final = 0xFFFFFFFF
_ROOMS: Final = (4, 16, 64, 256, STATEMENTS_MAX)

Number = TypeVar("Number", np.int32, np.int64)


class Statement(NamedTuple):
    """A statement that holds, by name; `liked` is what a like was added to, artist first."""

    kind: int
    subject: str
    at_ms: int
    liked: tuple[str, ...] = ()


class SaidRows:
    """Gives room in `said` and `liked` to slots, more as they need it, and takes it back.

    Room left behind goes to the next slot that needs as much, so memory is at most what the most
    talkative of all times needed, by size.
    """

    def __init__(self) -> None:
        self._used = 0
        self._room: dict[int, int] = {}
        self._free: dict[int, list[int]] = {room: [] for room in _ROOMS}

    def give(self, arrays: ListenerArrays, slot: int, count: int) -> ListenerArrays:
        """The arrays, in which the slot has room for `count` statements, or for all there can be.

        What stood there stays.
        """
        had = self._room.get(slot, 0)
        room = next((room for room in _ROOMS if room >= count), STATEMENTS_MAX)
        if room <= had:
            return arrays
        if self._free[room]:
            start = self._free[room].pop()
        else:
            start, self._used = self._used, self._used + room
        while self._used > len(arrays.said):
            arrays = arrays._replace(said=_doubled(arrays.said), liked=_doubled(arrays.liked))
        if had:
            before = int(arrays.meta[slot, SAID]) - 1
            for column in (arrays.said, arrays.liked):
                column[start : start + had] = column[before : before + had]
                column[before : before + had] = 0
            self._free[had].append(before)
        self._room[slot] = room
        arrays.meta[slot, SAID] = start + 1
        return arrays

    def take_back(self, arrays: ListenerArrays, slot: int) -> None:
        """Empty the slot's room, if it has any."""
        room = self._room.pop(slot, 0)
        if room:
            start = int(arrays.meta[slot, SAID]) - 1
            arrays.said[start : start + room] = 0
            arrays.liked[start : start + room] = 0
            arrays.meta[slot, [SAID, SAID_COUNT]] = 0
            self._free[room].append(start)

    def used_ids(self, arrays: ListenerArrays) -> list[NDArray[np.int32]]:
        """Every id in use, for the vocabulary's sweep."""
        said = arrays.said[: self._used, STATEMENT] & _ID
        return [said.astype(np.int32), arrays.liked[: self._used]]


def new_said() -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Room that nobody has yet: of `said` and of `liked`."""
    return np.zeros((STATEMENTS_MAX, 2), np.int64), np.zeros((STATEMENTS_MAX, LIKED_WITH), np.int32)


def held(arrays: ListenerArrays, slot: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What holds of what a listener said, in place, and what their likes were added to."""
    said, liked = _rows(arrays, slot)
    return said, liked[said[:, STATEMENT] >> 32 == LIKED]


def put(
    arrays: ListenerArrays, slot: int, said: NDArray[np.int64], liked: NDArray[np.int32]
) -> None:
    """Let what `held` gave be what holds; the slot has room."""
    start, count = int(arrays.meta[slot, SAID]) - 1, len(said)
    before = max(count, int(arrays.meta[slot, SAID_COUNT]))
    arrays.said[start : start + before] = 0
    arrays.liked[start : start + before] = 0
    arrays.said[start : start + count] = said
    arrays.liked[start : start + count][said[:, STATEMENT] >> 32 == LIKED] = liked
    arrays.meta[slot, SAID_COUNT] = count


def named_artists(arrays: ListenerArrays, slot: int) -> NDArray[np.int32]:
    """The artists a listener named, the dearest first."""
    said, _ = held(arrays, slot)
    subjects = said[said[:, STATEMENT] >> 32 == TASTE_ARTIST, STATEMENT] & _ID
    return np.asarray(subjects, np.int32)


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
    at = int(arrays.meta[slot, SAID] - 1 + arrays.meta[slot, SAID_COUNT])
    kind, subject, at_ms = statement
    arrays.said[at] = kind << 32 | subject, at_ms
    arrays.liked[at] = 0 if added_to is None else added_to
    arrays.meta[slot, SAID_COUNT] += 1


def drop(arrays: ListenerArrays, slot: int, at: int) -> tuple[int, int, NDArray[np.int32] | None]:
    """Forget a statement: its kind, its subject, and what it was added to if it is a like."""
    said, liked = _rows(arrays, slot)
    kind, subject = divmod(int(said[at, STATEMENT]), 1 << 32)
    added = liked[at].copy() if kind == LIKED else None
    for column in (said, liked):
        column[at:-1] = column[at + 1 :].copy()
        column[-1] = 0
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


def _rows(arrays: ListenerArrays, slot: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Both columns of a slot's statements, in place."""
    start, count = int(arrays.meta[slot, SAID]) - 1, int(arrays.meta[slot, SAID_COUNT])
    return arrays.said[start : start + count], arrays.liked[start : start + count]
