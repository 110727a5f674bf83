"""What each track sounds like, in arrays: its nearest tracks by sound, one row per track."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.ring import link_newest, unlink
from models.recommend.kernels.slots import EVICTED, FREE, SLOT_COUNTERS, take_slot

__all__ = ["Audio", "AudioArrays", "drop_audio", "has_audio", "new_audio", "put_audio"]


class Audio(NamedTuple):
    """What kernels look at. `slot_of` is by id of a track and holds slot + 1, or 0."""

    slot_of: NDArray[np.int32]
    ids: NDArray[np.int32]  # by slot and place
    similarities: NDArray[np.float32]
    sizes: NDArray[np.int32]


class AudioArrays(NamedTuple):
    """The same, and what it takes to change it."""

    audio: Audio
    owner: NDArray[np.int32]  # by slot: the track, or 0
    links: NDArray[np.int32]  # of slots, by when they were put
    free: NDArray[np.int32]
    counters: NDArray[np.int64]


def new_audio(tracks_max: int, neighbours_max: int) -> AudioArrays:
    """Nothing is known of any track. Memory that nobody wrote takes no room."""
    audio = Audio(
        np.zeros(1, np.int32),
        np.zeros((tracks_max, neighbours_max), np.int32),
        np.zeros((tracks_max, neighbours_max), np.float32),
        np.zeros(tracks_max, np.int32),
    )
    return AudioArrays(
        audio=audio,
        owner=np.zeros(tracks_max, np.int32),
        links=np.zeros((tracks_max + 1, 2), np.int32),
        free=np.zeros(tracks_max, np.int32),
        counters=np.zeros(SLOT_COUNTERS, np.int64),
    )


@kernel
def has_audio(audio: Audio) -> bool:
    """Whether anything was ever known. Until then `slot_of` is not as long as the vocabulary."""
    return len(audio.slot_of) > 1


@kernel
def _admit(arrays: AudioArrays, track: int) -> int:
    """A slot for a track; if all are taken, that of the one that was put longest ago."""
    slot = take_slot(arrays.free, arrays.links, arrays.counters)
    if arrays.owner[slot] != 0:
        arrays.audio.slot_of[arrays.owner[slot]] = 0
        arrays.counters[EVICTED] += 1
    arrays.owner[slot] = track
    arrays.audio.slot_of[track] = slot + 1
    return slot


@kernel
def put_audio(
    arrays: AudioArrays,
    tracks: NDArray[np.int32],
    sizes: NDArray[np.int32],
    ids: NDArray[np.int32],
    similarities: NDArray[np.float32],
) -> None:
    """Set the neighbours of tracks, in order; `sizes` says how many of `ids` are whose."""
    audio, first = arrays.audio, 0
    for i in range(len(tracks)):
        slot = int(audio.slot_of[tracks[i]]) - 1
        if slot < 0:
            slot = _admit(arrays, int(tracks[i]))
        link_newest(arrays.links, slot)
        row, likeness, size = audio.ids[slot], audio.similarities[slot], sizes[i]
        for j in range(len(row)):
            row[j] = ids[first + j] if j < size else 0
            likeness[j] = similarities[first + j] if j < size else 0
        audio.sizes[slot] = size
        first += size


@kernel
def drop_audio(arrays: AudioArrays, tracks: NDArray[np.int32]) -> None:
    """Forget tracks; those that are not known are none."""
    audio, counters = arrays.audio, arrays.counters
    for i in range(len(tracks)):
        slot = int(audio.slot_of[tracks[i]]) - 1
        if slot < 0:
            continue
        unlink(arrays.links, slot)
        audio.slot_of[tracks[i]] = 0
        audio.sizes[slot] = 0
        audio.ids[slot] = 0
        arrays.owner[slot] = 0
        arrays.free[counters[FREE]] = slot
        counters[FREE] += 1
