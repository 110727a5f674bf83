"""The single things that are done to music. A disguise is one or more of them, in order.

`pace` says how many seconds of the recording pass in a second of what a step makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import numpy as np

from bench.disguises import sound as dsp
from bench.disguises.samples import RATE, Sound
from bench.disguises.surroundings import Surroundings

__all__ = [
    "Band",
    "Codec",
    "Equaliser",
    "Noise",
    "Pitch",
    "Room",
    "Speed",
    "Step",
    "Tempo",
    "Voice",
]

_DB_PER_OCTAVE: Final = 24.0
_LOWEST_HZ, _HIGHEST_HZ = 20.0, RATE / 2


class Step(Protocol):
    """Something that is done to a sound. `kept` is the part of it that will be heard."""

    @property
    def pace(self) -> float: ...

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound: ...


@dataclass(frozen=True, slots=True)
class Noise:
    """Short sounds beside the music, `ratio_db` weaker where it is heard."""

    ratio_db: float
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Mix."""
        return dsp.mixed(sound, around.noise(rng, len(sound), kept), self.ratio_db, kept)


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody speaks over the music, which is `ratio_db` louder where it is heard."""

    ratio_db: float
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Mix."""
        return dsp.mixed(sound, around.voice(rng, len(sound), kept), self.ratio_db, kept)


@dataclass(frozen=True, slots=True)
class Codec:
    """Encoded and decoded again."""

    name: str
    kbit: int
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """There and back."""
        return dsp.coded(sound, self.name, self.kbit)


@dataclass(frozen=True, slots=True)
class Room:
    """Heard across a room."""

    wet: float
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Convolve with one of the rooms."""
        return dsp.reverberated(sound, around.room(rng), self.wet)


@dataclass(frozen=True, slots=True)
class Band:
    """Only what lies between two frequencies; beyond them 24 dB less an octave."""

    low_hz: float
    high_hz: float
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Cut."""
        below = -_DB_PER_OCTAVE * np.log2(max(self.low_hz, _LOWEST_HZ) / _LOWEST_HZ)
        above = -_DB_PER_OCTAVE * np.log2(_HIGHEST_HZ / self.high_hz)
        hz = np.array([_LOWEST_HZ * 0.999, max(self.low_hz, _LOWEST_HZ), self.high_hz, _HIGHEST_HZ])
        return dsp.filtered(sound, hz, np.array([below, 0.0, 0.0, above]))


@dataclass(frozen=True, slots=True)
class Equaliser:
    """Seven bands from 60 Hz to 8 kHz, each up to `most_db` louder or weaker."""

    most_db: float
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Set the bands by chance."""
        bands = rng.uniform(-self.most_db, self.most_db, 7)
        return dsp.filtered(sound, np.geomspace(60.0, _HIGHEST_HZ, 7), bands)


@dataclass(frozen=True, slots=True)
class Tempo:
    """Faster or slower at the same pitch."""

    factor: float

    @property
    def pace(self) -> float:
        """A faster second holds more."""
        return self.factor

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Stretch."""
        return dsp.rubberband(sound, tempo=self.factor)


@dataclass(frozen=True, slots=True)
class Pitch:
    """Higher or lower at the same tempo."""

    semitones: float
    pace: ClassVar[float] = 1.0

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Shift."""
        return dsp.rubberband(sound, semitones=self.semitones)


@dataclass(frozen=True, slots=True)
class Speed:
    """Played faster, as a record is: tempo and pitch together."""

    factor: float

    @property
    def pace(self) -> float:
        """A faster second holds more."""
        return self.factor

    def __call__(
        self, sound: Sound, rng: np.random.Generator, around: Surroundings, kept: slice
    ) -> Sound:
        """Resample."""
        return dsp.resampled(sound, self.factor)
