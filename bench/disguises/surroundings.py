"""Noise, voices and rooms that music is heard with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.disguises.samples import RATE, Sound
from bench.disguises.sound import loudness
from bench.disguises.sources import Recording
from segue.errors import Misconfigured

__all__ = ["Surroundings", "medley", "rooms_of"]

_ROOMS: Final = 16
_QUIET: Final = 1e-3
_TRIES: Final = 20


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Short sounds, spoken prompts, and impulse responses."""

    noises: Sequence[Recording]
    voices: Sequence[Recording]
    rooms: NDArray[np.float32]

    def noise(self, rng: np.random.Generator, count: int, kept: slice) -> Sound:
        """Short sounds one after another, each as loud as the next; not silent where kept."""
        return _audible(self.noises, rng, count, kept)

    def voice(self, rng: np.random.Generator, count: int, kept: slice) -> Sound:
        """Somebody speaking."""
        return _audible(self.voices, rng, count, kept)

    def room(self, rng: np.random.Generator) -> Sound:
        """An impulse response."""
        found: Sound = self.rooms[rng.integers(len(self.rooms))]
        return found

    def digest(self) -> str:
        """Changes when any of it does."""
        parts = [f"{each.title} {len(each.samples)}" for each in (*self.noises, *self.voices)]
        told = "\n".join(parts).encode() + self.rooms.tobytes()
        return hashlib.blake2b(told, digest_size=8).hexdigest()


def rooms_of(file: Path | None, seed: int) -> NDArray[np.float32]:
    """The last 16 impulse responses of a .npy file at 16 kHz, or made-up rooms without a file.

    Training keeps away from the last 16. Raises Misconfigured if the file holds something else.
    """
    if file is None:
        return _made_up(np.random.default_rng([seed, 16]))
    rooms = np.load(file).astype(np.float32)
    if rooms.ndim != 2 or len(rooms) < _ROOMS or not np.isfinite(rooms).all():
        raise Misconfigured(
            f"{file} holds no impulse responses: {rooms.shape}",
            setting="--rooms",
            remedy=f"name a .npy of {_ROOMS} or more responses at {RATE} Hz, one a row",
        )
    found: NDArray[np.float32] = rooms[-_ROOMS:]
    return found


def _made_up(rng: np.random.Generator) -> NDArray[np.float32]:
    """A direct sound, a few early reflections, and noise that fades by 60 dB in 0.3 to 1.5 s.

    High frequencies fade faster, as air and curtains have it (Moorer, 1979).
    """
    count = int(1.5 * RATE)
    time_s = np.arange(count) / RATE
    rooms = np.zeros((_ROOMS, count), np.float32)
    for room in rooms:
        fading_s = rng.uniform(0.3, 1.5)
        tail = np.zeros(count)
        for share, low in ((1.0, 0.0), (0.6, 0.5)):  # all of it, and its lower half, longer
            noise = np.fft.rfft(rng.standard_normal(count))
            noise[int(len(noise) * (1.0 if low == 0.0 else low)) :] = 0
            fades = 10 ** (-3 * time_s / (fading_s * (0.5 if low == 0.0 else 1.0)))
            tail += share * np.fft.irfft(noise, count) * fades
        room += (rng.uniform(0.05, 0.25) * tail).astype(np.float32)
        for _ in range(8):
            room[rng.integers(40, 800)] += np.float32(rng.uniform(-0.5, 0.5))
        room[0] += 1.0
    return rooms


def medley(recordings: Sequence[Recording], rng: np.random.Generator, count: int) -> Sound:
    """Recordings drawn one after another, each as loud as the next, until `count` is filled."""
    found, at = np.zeros(count, np.float32), 0
    while at < count:
        each = recordings[int(rng.integers(len(recordings)))]
        start = int(rng.integers(max(1, len(each.samples) - count)))
        sound = each.sound(start, min(len(each.samples) - start, count - at))
        level = loudness(sound)
        if level > _QUIET:
            found[at : at + len(sound)] = sound * np.float32(0.1 / level)
        at += len(sound)
    return found


def _audible(
    recordings: Sequence[Recording], rng: np.random.Generator, count: int, kept: slice
) -> Sound:
    for _ in range(_TRIES):
        found = medley(recordings, rng, count)
        if loudness(found[kept]) > 0.01:
            return found
    found += 0.01 * rng.standard_normal(count).astype(np.float32)
    return found
