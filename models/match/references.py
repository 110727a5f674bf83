"""Which references are held, and which of them a row of the store belongs to.

A reference that comes with another print gets another slot, so a slot means one print for as long
as the process lives. The rows of a slot may be moved: an extent says where they lie.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import Print

__all__ = ["Dead", "Extents", "Reference", "References", "digest_of"]


Dead = tuple[int, int, int]
"""First row of what was removed, how many rows, and how many of them were no silence."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A print under its id, except for the vectors: those are `count` rows from `first` on.

    `heard` of them are no silence. `digest` tells the print from others.
    """

    reference_id: str
    slot: int
    first: int
    count: int
    heard: int
    digest: bytes
    peak_frames: NDArray[np.int32]
    peak_bins: NDArray[np.uint8]
    seconds: float

    def moved(self, first: int) -> Reference:
        """The same with its rows elsewhere."""
        return replace(self, first=first)


class Extents(NamedTuple):
    """Where consecutive rows of one slot begin (n) int64, in order, and the slots (n) int32."""

    firsts: NDArray[np.int64]
    slots: NDArray[np.int32]

    def located(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The slots of rows, and which of the print's vectors each is. The rows must be held."""
        found = np.searchsorted(self.firsts, rows, side="right") - 1
        return self.slots[found], (rows - self.firsts[found]).astype(np.int32)


class References:
    """References by slot and id. Not to be changed by two threads at once."""

    def __init__(self) -> None:
        self._of_slot: list[Reference | None] = []
        self._slots: dict[str, int] = {}
        self._first_of = np.full(1024, -1, np.int64)  # by slot; -1: not held
        self._firsts = np.zeros(1024, np.int64)
        self._extent_slots = np.zeros(1024, np.int32)
        self._extent_count = 0

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def ids(self) -> list[str]:
        """All ids, in the order they came in."""
        return [*self._slots]

    @property
    def next_slot(self) -> int:
        """The slot of the next that is put."""
        return len(self._of_slot)

    @property
    def extents(self) -> Extents:
        """Where rows lie; what it says stays as it is while others come."""
        count = self._extent_count
        return Extents(self._firsts[:count], self._extent_slots[:count])

    def are_held(self, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether slots (n) that were given are held now."""
        found: NDArray[np.bool_] = self._first_of[slots] >= 0
        return found

    def since(self, slot: int) -> list[Reference | None]:
        """Slots from one on, as they are now; None where nothing is held. Quick: a mere copy."""
        return self._of_slot[slot:]

    def slot_of(self, reference_id: str) -> int | None:
        """The slot of an id; None if there is no such reference."""
        return self._slots.get(reference_id)

    def get(self, slot: int) -> Reference | None:
        """What a slot holds; None if it was removed or never given."""
        return self._of_slot[slot] if 0 <= slot < len(self._of_slot) else None

    def put(self, reference: Reference) -> None:
        """Hold a reference under the next slot, its rows being the newest."""
        assert reference.slot == self.next_slot, "slots are given in order"
        assert reference.reference_id not in self._slots, "what it replaces is taken first"
        self._of_slot.append(reference)
        self._slots[reference.reference_id] = reference.slot
        if reference.slot >= len(self._first_of):
            self._first_of = np.concatenate((self._first_of, np.full_like(self._first_of, -1)))
        self._extend(reference)

    def take(self, slot: int) -> Reference:
        """Hold it no more; returns it."""
        reference = self._of_slot[slot]
        assert reference is not None, "only what is held can be taken"
        self._of_slot[slot] = None
        self._first_of[slot] = -1
        del self._slots[reference.reference_id]
        return reference

    def move(self, reference: Reference) -> None:
        """The rows of a reference are the newest now."""
        self._of_slot[reference.slot] = reference
        self._extend(reference)

    def forget_extents(self) -> None:
        """Forget where rows lay that were taken or moved."""
        firsts, slots = self.extents
        keep = self._first_of[slots] == firsts
        room = np.zeros(1024 + len(firsts), np.int64)
        self._firsts = np.concatenate((firsts[keep], room))
        self._extent_slots = np.concatenate((slots[keep], room.astype(np.int32)))
        self._extent_count = int(keep.sum())

    def _extend(self, reference: Reference) -> None:
        self._first_of[reference.slot] = reference.first
        if not reference.count:
            return
        count = self._extent_count
        assert not count or reference.first > self._firsts[count - 1], "rows go upward"
        if count == len(self._firsts):  # a reader keeps the old arrays
            self._firsts = np.concatenate((self._firsts, np.zeros_like(self._firsts)))
            self._extent_slots = np.concatenate(
                (self._extent_slots, np.zeros_like(self._extent_slots))
            )
        self._firsts[count], self._extent_slots[count] = reference.first, reference.slot
        self._extent_count = count + 1


def digest_of(printed: Print) -> bytes:
    """16 bytes that tell prints apart."""
    return hashlib.blake2b(bytes(printed), digest_size=16).digest()
