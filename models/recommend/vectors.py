"""The embedding: a vector per track, learned from all listeners' discoveries, in one partition.

One learner sees every discovery, so that each step has the vectors it needs as they are now; the
vectors reach all workers by the changelog itself, the compacted topic `vectors`
(`models.recommend.tastes`). When all slots are taken, the track used longest ago is evicted.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.changing import SLICE_RECORDS, Records
from models.recommend.kernels.embedding import (
    DIMENSIONS,
    LATELY,
    NEGATIVES,
    RANDOM,
    VECTOR_COUNTERS,
    VectorArrays,
    admit_vector,
    clear_vector,
    learn_discoveries,
)
from models.recommend.kernels.ring import link_newest, take_dirty
from models.recommend.kernels.slots import DIRTY, EVICTED, FREE, USED
from models.recommend.kernels.taste import Taste
from models.recommend.tastes import LATELY_KEY, VECTOR_RECORD, VECTOR_VERSION, check_vector
from models.recommend.track_slots import TrackSlots
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.discoveries import DiscoveriesFrame

__all__ = ["TrackVector", "VectorState"]

_LATELY: Final = 2_048
_LATELY_VERSION: Final = 1
_LATELY_HEAD: Final = struct.Struct("<Bqq")
_TRACKS_MIN: Final = 2 * (NEGATIVES + 32)  # a step must not evict what it is about
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class TrackVector:
    """What is learned of a track: score = vector . h + bias + log(1 + discoveries)."""

    vector: NDArray[np.float32]
    bias: float
    discoveries: int


class VectorState:
    """The vectors of all tracks. A `KeyedState` whose keys are track ids; for one partition.

    `tracks_max` bounds the tracks; a track takes 170 bytes of memory once used.
    """

    def __init__(self, vocabulary: Vocabulary, tracks_max: int = 1_000_000) -> None:
        if tracks_max < _TRACKS_MIN:
            raise ValueError(f"tracks_max is at least {_TRACKS_MIN}")
        self.vocabulary = vocabulary
        self._arrays = _new_arrays(tracks_max)
        self._slots = TrackSlots(vocabulary)
        self._lately_saved = 0
        self._saving: NDArray[np.int32] = np.zeros(0, np.int32)
        vocabulary.register(self)

    def __len__(self) -> int:
        return int(self._arrays.counters[USED] - self._arrays.counters[FREE])

    @property
    def evictions(self) -> int:
        """Tracks that gave way to others, since the start."""
        return self._slots.evictions

    def learn(self, frame: DiscoveriesFrame) -> None:
        """Learn discoveries in order: about ten microseconds each."""
        self.vocabulary.sweep_if_due()
        arrays = self._arrays
        ids = self.vocabulary.intern(frame.names)
        evicted = np.empty(len(frame.track) + len(frame.before), np.int32)
        arrays.counters[EVICTED] = 0
        places, hashes = self._slots.places, self.vocabulary.hash32
        found = (ids[frame.track], frame.size, ids[frame.before])
        learn_discoveries(arrays, places, hashes, found, evicted)
        self._slots.note_evicted(evicted[: arrays.counters[EVICTED]])

    def vector(self, track_id: str) -> TrackVector | None:
        """What is learned of a track, or None if it is not held."""
        slot = self._slots.find(track_id)
        if slot is None:
            return None
        arrays = self._arrays
        discoveries = int(arrays.discoveries[slot])
        return TrackVector(arrays.vectors[slot].copy(), float(arrays.bias[slot]), discoveries)

    @property
    def taste(self) -> Taste:
        """The vectors in place, for a recommender of this process. Holds until the next call."""
        arrays = self._arrays
        return Taste(self._slots.places, arrays.vectors, arrays.bias, arrays.logs)

    @property
    def tracks(self) -> list[str]:
        """All tracks that have a vector."""
        owner = self._arrays.owner[: self._arrays.counters[USED]]
        names: list[str] = self.vocabulary.objects[owner[owner != NO_NAME]].tolist()
        return names

    def changes(self) -> Records:
        """All of `change_slices` at once."""
        return [*chain.from_iterable(self.change_slices())]

    def change_slices(self) -> Iterator[Records]:
        """Drain evicted tracks, then changed ones, used longest ago first.

        The records are as of this call, whatever is learned until they are taken; take all of them
        before the next call.
        """
        gone = self._slots.drain_gone()
        arrays = self._arrays
        dirty = take_dirty(arrays.links, arrays.dirty, int(arrays.counters[DIRTY]))
        arrays.counters[DIRTY] = 0
        self._saving = arrays.owner[dirty]
        return chain(
            [gone + self._lately_record()], self._encoded(self._saving, _records(arrays, dirty))
        )

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set one vector to a record of `changes`. Raises ValueError on bytes it cannot read."""
        if key == LATELY_KEY:
            if value is not None:
                self._restore_lately(value)
            return
        track_id, arrays = key.decode(), self._arrays
        if value is None:
            self._forget(track_id)
            return
        record = _decoded(value)
        self.vocabulary.sweep_if_due()
        track, evicted = self.vocabulary.id(track_id), np.zeros(1, np.int32)
        arrays.counters[EVICTED] = 0
        track_hash = int(self.vocabulary.hash32[track])
        slot = admit_vector(arrays, self._slots.places, track, track_hash, evicted)
        link_newest(arrays.links, slot)
        arrays.vectors[slot] = record["vector"]
        arrays.bias[slot] = record["bias"]
        arrays.squares[slot] = record["squares"]
        arrays.bias_squares[slot] = record["bias_squares"]
        arrays.discoveries[slot] = record["discoveries"]
        arrays.logs[slot] = math.log(1.0 + record["discoveries"])
        self._slots.note_evicted(evicted[: arrays.counters[EVICTED]])

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this state holds, for the vocabulary's sweep."""
        arrays = self._arrays
        held = min(int(arrays.counters[LATELY]), len(arrays.lately))
        return [arrays.owner[: arrays.counters[USED]], arrays.lately[:held], self._saving]

    def _encoded(self, owner: NDArray[np.int32], columns: NDArray[Any]) -> Iterator[Records]:
        size = VECTOR_RECORD.itemsize
        for start in range(0, len(owner), SLICE_RECORDS):
            names = self.vocabulary.objects[owner[start : start + SLICE_RECORDS]].tolist()
            raw = columns[start : start + SLICE_RECORDS].tobytes()
            yield [(name.encode(), raw[size * i : size * (i + 1)]) for i, name in enumerate(names)]
        self._saving = np.zeros(0, np.int32)

    def _lately_record(self) -> Records:
        """What negatives are drawn from, and how far the random numbers are."""
        arrays, names = self._arrays, self.vocabulary.objects
        count = int(arrays.counters[LATELY])
        if count == self._lately_saved:
            return []
        self._lately_saved = count
        held = names[arrays.lately[:count]].tolist()
        head = _LATELY_HEAD.pack(_LATELY_VERSION, count, int(arrays.counters[RANDOM]))
        return [(LATELY_KEY, head + "\n".join(held).encode())]

    def _restore_lately(self, value: bytes) -> None:
        version, count, random = _LATELY_HEAD.unpack_from(value)
        if version != _LATELY_VERSION:
            raise ValueError("a record of what was discovered last is of another version")
        names = value[_LATELY_HEAD.size :].decode().split("\n")
        arrays = self._arrays
        if len(names) != min(count, len(arrays.lately)):
            raise ValueError("a record of what was discovered last is of another length")
        arrays.lately[: len(names)] = self.vocabulary.intern(names)
        arrays.counters[LATELY], arrays.counters[RANDOM] = count, random
        self._lately_saved = count

    def _forget(self, track_id: str) -> None:
        slot = self._slots.find(track_id)
        if slot is not None:
            arrays = self._arrays
            clear_vector(arrays, self._slots.places, slot)
            arrays.free[arrays.counters[FREE]] = slot
            arrays.counters[FREE] += 1


def _new_arrays(tracks_max: int) -> VectorArrays:
    counters = np.zeros(VECTOR_COUNTERS, np.int64)
    counters[RANDOM] = _SEED
    return VectorArrays(
        vectors=np.zeros((tracks_max, DIMENSIONS), np.float32),
        bias=np.zeros(tracks_max, np.float32),
        squares=np.zeros(tracks_max, np.float32),
        bias_squares=np.zeros(tracks_max, np.float32),
        discoveries=np.zeros(tracks_max, np.int64),
        logs=np.zeros(tracks_max, np.float32),
        owner=np.zeros(tracks_max, np.int32),
        links=np.zeros((tracks_max + 1, 2), np.int32),
        dirty=np.zeros(tracks_max, np.uint8),
        free=np.zeros(tracks_max, np.int32),
        lately=np.zeros(_LATELY, np.int32),
        counters=counters,
    )


def _records(arrays: VectorArrays, slots: NDArray[np.int32]) -> NDArray[Any]:
    """The records of some slots as they are now."""
    records = np.empty(len(slots), VECTOR_RECORD)
    records["version"], records["dimensions"] = VECTOR_VERSION, DIMENSIONS
    records["discoveries"] = arrays.discoveries[slots]
    records["squares"] = arrays.squares[slots]
    records["bias_squares"] = arrays.bias_squares[slots]
    records["bias"] = arrays.bias[slots]
    records["vector"] = arrays.vectors[slots]
    return records


def _decoded(value: bytes) -> Any:
    check_vector(value)
    return np.frombuffer(value, VECTOR_RECORD)[0]
