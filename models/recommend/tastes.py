"""What a worker knows of the embedding: the vectors of all tracks, as last published.

Read from the compacted topic `vectors`; learned elsewhere (`models.recommend.vectors`).

Layout of a record, little-endian: format version u8, number of dimensions u8, discoveries i64, sums
of squared gradients of the vector and of the bias f32, bias f32, vector f32 each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.embedding import DIMENSIONS
from models.recommend.kernels.taste import Taste
from models.recommend.vocabulary import NO_NAME, Vocabulary

__all__ = ["LATELY_KEY", "VECTOR_RECORD", "VECTOR_VERSION", "Tastes", "check_vector"]

VECTOR_VERSION: Final = 1
VECTOR_RECORD: Final = np.dtype(
    [
        ("version", "u1"),
        ("dimensions", "u1"),
        ("discoveries", "<i8"),
        ("squares", "<f4"),
        ("bias_squares", "<f4"),
        ("bias", "<f4"),
        ("vector", "<f4", DIMENSIONS),
    ]
)
LATELY_KEY: Final = b"\x01lately"
"""Holds what the learner draws negatives from; no id of a track holds a control character."""

_START_ROOM: Final = 1024


class Tastes:
    """The vectors of tracks, as many as the learner holds. 150 bytes of memory each."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._slot_of = np.zeros(vocabulary.capacity, np.int32)
        self._owner = np.zeros(_START_ROOM, np.int32)
        self._vectors = np.zeros((_START_ROOM, DIMENSIONS), np.float32)
        self._bias = np.zeros(_START_ROOM, np.float32)
        self._logs = np.zeros(_START_ROOM, np.float32)
        self._used = 0
        self._free: list[int] = []
        vocabulary.register(self)

    def __len__(self) -> int:
        return self._used - len(self._free)

    @property
    def taste(self) -> Taste:
        """The vectors in place. Holds until the next call."""
        return Taste(self._places(), self._vectors, self._bias, self._logs)

    def apply(
        self, keys: Sequence[bytes], values: Sequence[bytes | None]
    ) -> Sequence[tuple[int, str]]:
        """Set and delete vectors, in order. Returns the records that it cannot read, and why."""
        self.vocabulary.sweep_if_due()
        bad, names, raw = [], [], []
        last = {key: i for i, key in enumerate(keys)}  # of one key only the last counts
        last.pop(LATELY_KEY, None)
        for key, i in last.items():
            value = values[i]
            try:
                name = key.decode()
                if not name:
                    raise ValueError("no key")
                if value is None:
                    self._forget(name)
                    continue
                check_vector(value)
            except ValueError as error:
                bad.append((i, str(error)))
                continue
            names.append(name)
            raw.append(value)
        self._set(names, b"".join(raw))
        return sorted(bad)

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this holds, for the vocabulary's sweep."""
        return [self._owner[: self._used]]

    def _set(self, names: list[str], raw: bytes) -> None:
        records = np.frombuffer(raw, VECTOR_RECORD)
        ids = self.vocabulary.intern(names)
        places = self._places()
        for track in ids[places[ids] == 0].tolist():
            slot = self._free.pop() if self._free else self._new_slot()
            places[track] = slot + 1
            self._owner[slot] = track
        slots = places[ids] - 1
        self._vectors[slots] = records["vector"]
        self._bias[slots] = records["bias"]
        self._logs[slots] = np.log1p(records["discoveries"])

    def _new_slot(self) -> int:
        room = len(self._owner)
        if self._used == room:
            self._owner = np.concatenate((self._owner, np.zeros_like(self._owner)))
            self._vectors = np.concatenate((self._vectors, np.zeros_like(self._vectors)))
            self._bias = np.concatenate((self._bias, np.zeros_like(self._bias)))
            self._logs = np.concatenate((self._logs, np.zeros_like(self._logs)))
        self._used += 1
        return self._used - 1

    def _forget(self, name: str) -> None:
        track, places = self.vocabulary.find(name), self._places()
        if track != NO_NAME and places[track]:
            slot = int(places[track]) - 1
            places[track] = 0
            self._owner[slot] = NO_NAME
            self._free.append(slot)

    def _places(self) -> NDArray[np.int32]:
        """Slot + 1 by track id, as long as the vocabulary."""
        self._slot_of = self.vocabulary.stretched(self._slot_of)
        return self._slot_of


def check_vector(value: bytes) -> None:
    """Raise ValueError if this is no record of a vector."""
    if len(value) != VECTOR_RECORD.itemsize:
        raise ValueError(f"a record has {VECTOR_RECORD.itemsize} bytes, not {len(value)}")
    if value[0] != VECTOR_VERSION or value[1] != DIMENSIONS:
        raise ValueError("a record of a version that this code does not read")
