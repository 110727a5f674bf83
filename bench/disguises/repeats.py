"""Where else in a recording the same music stands: answers there are as right.

Games' music is often made of loops, and a tracker repeats a bar sample by sample. The stretch that
a query was made of slides over its recording; where their waveforms correlate by 0.9 or more, the
two cannot be told apart, and either offset is the right one. A repetition with another instrument
on top stays below that, and is no excuse. Waveforms are taken at 4 kHz and differentiated, so that
a bass, which is loud, does not speak for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.disguises.samples import RATE, Sound
from bench.disguises.sound import resampled
from bench.disguises.sources import Recording

__all__ = ["SAME", "Repeats"]

SAME: Final = 0.9
_SLOWER: Final = 4
_RATE: Final = RATE // _SLOWER
_APART_S: Final = 0.25
_MOST: Final = 500
"""Offsets of a stretch that are kept; a drone has endlessly many."""


class Repeats:
    """A recording, ready to slide stretches over it. Each costs a Fourier transform of it."""

    def __init__(self, recording: Recording) -> None:
        even = len(recording.samples) // _SLOWER * _SLOWER
        slower = resampled(recording.sound(0, even), float(_SLOWER))
        self._sound = np.diff(slower, append=slower[-1:])
        self._size = 1 << (2 * len(self._sound) - 1).bit_length()
        self._spectrum = np.fft.rfft(self._sound, self._size)
        self._energy = np.concatenate(([0.0], np.cumsum(self._sound.astype(np.float64) ** 2)))

    def of(self, offset_s: float, seconds: float) -> list[float]:
        """Offsets in seconds at which the same stands; the one asked for is the first."""
        first, count = round(offset_s * _RATE), round(seconds * _RATE)
        likeness = self._likeness(self._sound[first : first + count])
        peaks = _peaks(likeness, round(_APART_S * _RATE))
        others = [at / _RATE for at in peaks if abs(at - first) > _APART_S * _RATE]
        return [offset_s, *others[:_MOST]]

    def _likeness(self, stretch: Sound) -> NDArray[np.float64]:
        own = float(np.sqrt(np.sum(stretch.astype(np.float64) ** 2)))
        product = self._spectrum * np.conj(np.fft.rfft(stretch, self._size))
        inner = np.fft.irfft(product, self._size)[: len(self._sound) - len(stretch) + 1]
        energy = self._energy[len(stretch) :] - self._energy[: -len(stretch)]
        found: NDArray[np.float64] = inner / (own * np.sqrt(np.maximum(energy, 1e-6)) + 1e-9)
        return found


def _peaks(likeness: NDArray[np.float64], apart: int) -> Sequence[int]:
    """The best of each neighbourhood of those that are the same."""
    found: list[int] = []
    for at in np.flatnonzero(likeness >= SAME).tolist():
        if found and at - found[-1] <= apart:
            if likeness[at] > likeness[found[-1]]:
                found[-1] = at
        else:
            found.append(at)
    return found
