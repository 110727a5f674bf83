"""Names as small integers, so that compiled code never touches a string.

One vocabulary serves all states of a process. An id is a place in `names` and in `hash32`; it says
nothing outside this process, so whatever leaves it (records, frames, lists) carries names, and no
result may depend on the order of ids.

Names nobody uses any more are found by mark and sweep, and their ids used again. A sweep runs when
the vocabulary has grown to twice what was in use after the last one (at least `limit`): memory
stays in proportion to what the states hold, which are bounded themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol
from weakref import WeakSet
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_NAME", "Holder", "Vocabulary", "hash16", "hash32"]

NO_NAME: Final = 0
"""The id of the empty name: nothing here. Never given to a real name, never swept."""

_START_CAPACITY: Final = 4096


def hash32(name: str) -> int:
    """32 bits of a name, the same in every process: CRC-32 of its UTF-8."""
    return crc32(name.encode())


def hash16(name: str) -> int:
    """The lower 16 bits of `hash32`: what a listener's memory of tracks heard keeps of one."""
    return hash32(name) & 0xFFFF


class Holder(Protocol):
    """Something that keeps ids between calls, and so keeps their names alive."""

    def used_ids(self) -> Iterable[NDArray[np.int32]]:
        """Arrays of any shape that together hold every id in use; `NO_NAME` is allowed."""
        ...


class Vocabulary:
    """Two-way map of names and ids, shared by the states of a process. Not for threads.

    `limit` is the number of names below which nothing is swept.

    >>> words = Vocabulary()
    >>> words.id("a") == words.id("a"), words.names[words.id("a")]
    (True, 'a')
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self.names: list[str] = [""]
        self.hash32 = np.zeros(_START_CAPACITY, np.uint32)
        self.objects: NDArray[np.object_] = np.full(_START_CAPACITY, "", np.object_)
        """`names` as an array: the names of a whole array of ids are one step of NumPy."""
        self.artist = np.zeros(_START_CAPACITY, np.int32)
        """The artist of a track, both by id, as far as this process knows: what the states learn
        of it. Keeps its artist's name as long as the track's is kept."""
        self.generation = 0
        """Grows with each sweep: what is cached by id is stale when it changed."""
        self._ids: dict[str, int] = {"": NO_NAME}
        self._free: list[int] = []
        self._limit = limit
        self._due = limit
        self._holders: WeakSet[Holder] = WeakSet()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def capacity(self) -> int:
        """Every id is below this. Arrays indexed by id are at least this long."""
        return len(self.hash32)

    def stretched(self, array: NDArray[np.int32]) -> NDArray[np.int32]:
        """The array itself if every id is below its length; else a copy that long, zeros behind."""
        missing = self.capacity - len(array)
        return array if missing <= 0 else np.concatenate((array, np.zeros(missing, np.int32)))

    def register(self, holder: Holder) -> None:
        """Ask `holder` at each sweep. It is forgotten when nothing else refers to it."""
        self._holders.add(holder)

    def find(self, name: str) -> int:
        """The id of a name, or `NO_NAME` if it has none. Changes nothing."""
        return self._ids.get(name, NO_NAME)

    def id(self, name: str) -> int:
        """The id of a name; a new one if needed."""
        found = self._ids.get(name)
        return self._add(name) if found is None else found

    def intern(self, names: Sequence[str]) -> NDArray[np.int32]:
        """The ids of many names; new ones where needed. Never sweeps. O(names)."""
        try:
            return np.fromiter(map(self._ids.__getitem__, names), np.int32, len(names))
        except KeyError:  # a name is new
            return np.array([self.id(name) for name in names], np.int32)

    def sweep_if_due(self) -> None:
        """Sweep if grown enough. Call it only where no id waits in a local variable."""
        if len(self._ids) >= self._due:
            self.collect(array for holder in self._holders for array in holder.used_ids())
            self._due = max(self._limit, 2 * len(self._ids))

    def collect(self, used: Iterable[NDArray[np.int32]]) -> int:
        """Free every id that is in none of `used`; returns how many. O(names and used).

        About 10 ms for a million names, and as much for each ten million ids in `used`.
        """
        marked = np.zeros(len(self.names), np.bool_)
        marked[NO_NAME] = True
        for array in used:
            marked[array] = True
        marked[self.artist[: len(marked)][marked]] = True
        free: list[int] = np.flatnonzero(~marked).tolist()
        already = set(self._free)
        for index in free:
            if index not in already:
                del self._ids[self.names[index]]
                self.names[index] = ""
                self.objects[index] = ""
                self.artist[index] = NO_NAME
        freed = len(free) - len(already)
        self._free = free[::-1]  # lowest first: the same history gives the same ids
        self.generation += 1
        return freed

    def __getstate__(self) -> dict[str, Any]:  # Any: attributes, as pickle wants them
        return vars(self) | {"_holders": [*self._holders]}

    def __setstate__(self, state: dict[str, Any]) -> None:  # Any: as above
        vars(self).update(state | {"_holders": WeakSet(state["_holders"])})

    def _add(self, name: str) -> int:
        if self._free:
            index = self._free.pop()
            self.names[index] = name
        else:
            index = len(self.names)
            self.names.append(name)
            if index >= len(self.hash32):
                self.hash32 = np.concatenate((self.hash32, np.zeros_like(self.hash32)))
                self.objects = np.concatenate((self.objects, np.full_like(self.objects, "")))
                self.artist = np.concatenate((self.artist, np.zeros_like(self.artist)))
        self._ids[name] = index
        self.objects[index] = name
        self.hash32[index] = hash32(name)
        return index
