"""Recordings that hold the same music: copies, the same tune at another tempo, in another language.

A system that names the twin of a recording is right, so twins must not stand on both sides: they
are found and set aside before recordings are divided.

Each recording's power is laid out in 48 semitones and 5 frames a second, in decibels above the mean
of each semitone and of each frame. Excerpts of 12 s, at tempos 0.8 to 1.28 in steps of 4 %, slide
over every other recording; the highest correlation says how alike two recordings are: 0.18 in the
median of unrelated ones, 0.4 for the likest hundredth, above 0.9 for copies. Two whose names are
equal but for `_fast`, a language or punctuation need be less alike: every game has a main theme.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.disguises.samples import RATE, Sound
from bench.disguises.sources import Recording

__all__ = ["ALIKE", "Likeness", "Twins", "alike_by_name", "semitones", "twins"]

ALIKE: Final = 0.72
_ALIKE_OF_ONE_NAME: Final = 0.45
_FRAME, _HOP = 4_096, RATE // 5
_FRAMES_PER_S: Final = 5
_SEMITONES: Final = 48
_LOWEST_HZ: Final = 110.0
_FLOOR_DB: Final = 40.0
_EXCERPT: Final = 12 * _FRAMES_PER_S
_EXCERPTS: Final = 4
TEMPOS: Final[Sequence[float]] = tuple(0.8 * 1.04**i for i in range(13))
_VARIANT: Final = re.compile(r"[\W_]+(fast|slow|short|long|loop|remix|de|en|fr|es|it|ru)\b")

Field = NDArray[np.float32]


class Twins(NamedTuple):
    """Two recordings, by their numbers, and why they count as the same."""

    first: int
    second: int
    why: str


def semitones(sound: Sound) -> Field:
    """Power (48, frames) in decibels above each semitone's mean, 5 frames a second."""
    padded = np.pad(sound, (0, max(0, _FRAME - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32), axis=1)) ** 2
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE)
    nearest = np.rint(12 * np.log2(np.maximum(hz, 1.0) / _LOWEST_HZ)).astype(int)
    bands = np.stack([power[:, nearest == i].sum(axis=1) for i in range(_SEMITONES)])
    level = 10 * np.log10(bands + 1e-10)
    level = np.maximum(level, level.max() - _FLOOR_DB)
    level -= level.mean(axis=1, keepdims=True)
    level -= level.mean(axis=0, keepdims=True)  # a knock is in all bands, whatever the tune
    found: Field = level.astype(np.float32)
    return found


def twins(
    recordings: Sequence[Recording],
    likeness: Likeness,
    tick: Callable[[], None] = lambda: None,
) -> list[Twins]:
    """All pairs that hold the same music; `likeness` is to these recordings.

    `tick` is called after each of them.
    """
    found: dict[tuple[int, int], str] = {}
    for i, own in enumerate(recordings):
        alike = likeness.to(own)
        for j in np.flatnonzero(alike > ALIKE).tolist():
            if i != j:
                found[min(i, j), max(i, j)] = f"sound, {alike[j]:.2f} alike"
        for j in range(i):
            if alike[j] > _ALIKE_OF_ONE_NAME and alike_by_name(own.name, recordings[j].name):
                found.setdefault((j, i), f"names, and sound: {alike[j]:.2f} alike")
        tick()
    return [Twins(*pair, why) for pair, why in sorted(found.items())]


def alike_by_name(name: str, other: str) -> bool:
    """Whether two names differ in the variant only.

    >>> alike_by_name("hymn.ogg", "hymn_fast.ogg"), alike_by_name("song1.ogg", "song2.ogg")
    (True, False)
    """
    return _plain(name) == _plain(other)


def _plain(name: str) -> str:
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    return re.sub(r"[\W_]+", "", _VARIANT.sub("", stem))


class Likeness:
    """Recordings to slide excerpts over, transformed once."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        fields = [semitones(each.sound(0, len(each.samples))) for each in recordings]
        longest = max(each.shape[1] for each in fields) + 2 * _EXCERPT
        self._size = 1 << (longest - 1).bit_length()
        self._spectra = np.stack([self._spectrum(each) for each in fields])
        self._energy = [np.concatenate(([0.0], np.cumsum((each**2).sum(0)))) for each in fields]

    def to(self, recording: Recording, tempos: Sequence[float] = TEMPOS) -> Field:
        """The highest correlation of any excerpt of `recording` with each of the recordings."""
        field = semitones(recording.sound(0, len(recording.samples)))
        best = np.full(len(self._spectra), -1.0, np.float32)
        starts = np.linspace(0, max(field.shape[1] - _EXCERPT, 0), _EXCERPTS + 2)[1:-1].astype(int)
        for start in np.unique(starts):
            excerpt = field[:, start : start + _EXCERPT]
            if np.abs(excerpt).max() < 1.0:
                continue  # as good as silent
            for tempo in tempos:
                np.maximum(best, self._slid(_stretched(excerpt, tempo)), out=best)
        return best

    def _slid(self, excerpt: Field) -> Field:
        length = excerpt.shape[1]
        product = np.einsum("nbf,bf->nf", self._spectra, np.conj(self._spectrum(excerpt)))
        inner = np.fft.irfft(product, self._size)
        own = float(np.sqrt((excerpt**2).sum()))
        found = np.full(len(inner), -1.0, np.float32)
        for i, energy in enumerate(self._energy):
            lags = len(energy) - length
            if lags > 0 and own > 0:
                there = np.sqrt(np.maximum(energy[length:] - energy[:-length], 1e-3))
                found[i] = (inner[i, :lags] / (own * there)).max()
        return found

    def _spectrum(self, field: Field) -> NDArray[np.complex64]:
        found: NDArray[np.complex64] = np.fft.rfft(field, self._size).astype(np.complex64)
        return found


def _stretched(excerpt: Field, tempo: float) -> Field:
    count = excerpt.shape[1]
    at = np.arange(max(2, int(count / tempo))) * tempo
    found: Field = np.stack([np.interp(at, np.arange(count), row) for row in excerpt]).astype(
        np.float32
    )
    return found
