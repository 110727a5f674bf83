"""Landmarks: the loudest points of a spectrogram's neighbourhoods (Wang, 2003).

Noise and speech that hide most of a window leave many of its peaks where they were. Where a peak
is, is known to a frame, so peaks tell the exact place, tempo and pitch too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.spectrogram import SILENCE

__all__ = ["PEAK_CONTEXT", "peaks_of"]

_REACH: Final = 7  # frames on either side, 175 ms, that a peak is louder than
_REACH_BINS: Final = 5  # bins on either side, 2.5 semitones
_BELOW: Final = 1e-5  # of the loudest of a second around: 50 dB
_AROUND: Final = 20
PEAK_CONTEXT: Final = _AROUND
"""Frames on either side that decide whether a point is a peak."""


def peaks_of(power: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Frames and bins of the peaks of power (n, 118), in order of time; at most 30 a second.

    The first and last 7 frames have none: what is beyond them might be louder.
    """
    if len(power) <= 2 * _REACH:
        return np.zeros(0, np.int32), np.zeros(0, np.uint8)
    highest = _highest(_highest(power, _REACH).T, _REACH_BINS).T
    floor = _highest(power.max(axis=1, keepdims=True), _AROUND) * _BELOW
    inner = slice(_REACH, -_REACH)
    found = (power[inner] >= highest[inner]) & (power[inner] > np.maximum(floor[inner], SILENCE))
    frames, bins = np.nonzero(found)
    return (frames + _REACH).astype(np.int32), bins.astype(np.uint8)


def _highest(rows: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """The maximum over each row and `reach` rows on either side."""
    padded = np.pad(rows, ((reach, reach), (0, 0)))
    width, done = 2 * reach + 1, 1
    while 2 * done <= width:  # windows of twice the width from two
        padded = np.maximum(padded[:-done], padded[done:])
        done *= 2
    rest = width - done
    found: NDArray[np.float32] = np.maximum(padded[: len(rows)], padded[rest : rest + len(rows)])
    return found
