"""Views of a query: the recording as it was before its pitch and tempo were changed.

Music that is played faster, shifted or stretched looks shifted and stretched on the spectrogram.
A view undoes one such change, so that one query is asked as it is and as it may have been. The
encoder bears 0.7 semitones and 6 % of tempo by itself; views stand so close that every change in
the range is that near to one of them.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.spectrogram import BINS, BINS_PER_OCTAVE, MARGIN

__all__ = ["IDENTITY", "VIEWS", "View", "viewed"]


class View(NamedTuple):
    """What was done to a recording: `tempo` times as fast, and `semitones` higher."""

    tempo: float = 1.0
    semitones: float = 0.0

    @classmethod
    def of_speed(cls, speed: float) -> View:
        """Played faster, as a record is: pitch goes with tempo."""
        return cls(speed, 12 * math.log2(speed))

    @property
    def bins(self) -> float:
        """How many bins of the spectrogram it is shifted by."""
        return self.semitones * BINS_PER_OCTAVE / 12


IDENTITY: Final = View()
_SPEEDS: Final = (0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35)
_SEMITONES: Final = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
_TEMPOS: Final = (0.85, 0.92, 1.08, 1.16)
VIEWS: Final = (
    IDENTITY,
    *map(View.of_speed, _SPEEDS),
    *(View(1.0, semitones) for semitones in _SEMITONES),
    *(View(tempo, 0.0) for tempo in _TEMPOS),
)
"""What is asked: each of them alone, the first first."""


def viewed(power: NDArray[np.float32], view: View, start: float = 0.0) -> NDArray[np.float32]:
    """The recording's frames (m, 96) in a query's `power` (n, 118), from its frame `start` on.

    Frame t of the result is frame `start` + t / tempo of the query, between its neighbours; bin b
    is bin 11 + b + 2 semitones.
    """
    count = 1 + max(0, math.floor((len(power) - 1 - start) * view.tempo + 1e-9))
    bins = MARGIN + view.bins + np.arange(BINS)
    if view.tempo == 1.0 and start == int(start):
        stretched = power[int(start) : int(start) + count]
    else:
        stretched = _between(power, start + np.arange(count) / view.tempo)
    if view.semitones == 0.0:
        return stretched[:, MARGIN : MARGIN + BINS]
    return _between(stretched.T, bins).T


def _between(rows: NDArray[np.float32], at: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Rows at fractional places; beyond the ends stands the last."""
    at = np.clip(at, 0, len(rows) - 1)
    low = np.minimum(at.astype(np.int64), max(0, len(rows) - 2))
    part = (at - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(rows) - 1)
    found: NDArray[np.float32] = rows[low] * (1 - part) + rows[high] * part
    return found
