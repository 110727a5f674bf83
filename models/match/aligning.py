"""Compare a query with one reference along one line, exactly: vector by vector, peak by peak."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import PRINT_HOP, Print, expanded

__all__ = ["Line", "Peaks", "Windows", "along", "best_line", "peaks_along", "refined"]

_SLOPES: Final = np.arange(-0.05, 0.0501, 0.01)
_SHIFTS: Final = np.arange(-12.0, 12.1, 3.0)  # frames
_WORTH: Final = 0.3  # likeness above which a window speaks for a line
_FINE_SLOPES: Final = np.arange(-0.06, 0.0601, 0.0025)
_FINE_REACH: Final = 12  # frames
_FINE_BINS: Final = 2
_NEAR: Final = 1  # frames, and bins
_ROW: Final = 128  # bins and room on both sides


class Windows(NamedTuple):
    """A query as one view shows it: unit vectors (n, 128) of windows, and their first frames."""

    frames: NDArray[np.float32]
    vectors: NDArray[np.float32]


class Peaks(NamedTuple):
    """A query's peaks as one view shows them: frames and bins (n) in the reference's terms."""

    frames: NDArray[np.float32]
    bins: NDArray[np.float32]


class Line(NamedTuple):
    """Reference frame = `offset` + `slope` x frame of the view."""

    offset: float
    slope: float

    def at(self, frames: NDArray[np.float32]) -> NDArray[np.float64]:
        """Reference frames of frames of the view."""
        placed: NDArray[np.float64] = self.offset + self.slope * frames.astype(np.float64)
        return placed


def best_line(windows: Windows, reference: Print, offset: float) -> Line:
    """The line near `offset` in the middle along which the query is most like the reference.

    A view undoes a change of tempo to 5 %; the slope is what it left.
    """
    middle = float(windows.frames.mean())
    reach = _SHIFTS[-1] + 0.05 * float(np.ptp(windows.frames)) / 2
    first = max(0, int((offset + windows.frames.min() - reach) // PRINT_HOP))
    last = int((offset + windows.frames.max() + reach) // PRINT_HOP) + 2
    held = expanded(reference.vectors[first:last])
    if not len(held):
        return Line(offset, 1.0)
    likeness = windows.vectors @ held.T
    slopes, shifts = (each.ravel() for each in np.meshgrid(_SLOPES, _SHIFTS, indexing="ij"))
    placed = (
        offset
        + shifts[:, None]
        + windows.frames[None, :]
        + slopes[:, None] * (windows.frames[None, :] - middle)
    )
    places = np.rint(placed / PRINT_HOP).astype(np.int64) - first
    there = (places >= 0) & (places < len(held))
    rows = np.arange(len(windows.frames))[None, :]
    found = np.where(there, likeness[rows, np.clip(places, 0, len(held) - 1)], 0.0)
    worth = (
        np.maximum(0.0, found - _WORTH).sum(axis=1) - 1e-3 * np.abs(slopes) - 1e-5 * np.abs(shifts)
    )
    best = int(worth.argmax())
    left = float(slopes[best])
    return Line(offset + float(shifts[best]) - left * middle, 1.0 + left)


def along(windows: Windows, reference: Print, line: Line) -> NDArray[np.float32]:
    """How alike each window (n) and what lies on the line are; 0 beyond the reference's ends."""
    placed = line.at(windows.frames)
    places = np.rint(placed / PRINT_HOP).astype(np.int64)
    there = (places >= 0) & (places < len(reference.vectors))
    found = np.zeros(len(places), np.float32)
    held = expanded(reference.vectors[places[there]])
    found[there] = np.sum(windows.vectors[there] * held, axis=1)
    return found


def refined(peaks: Peaks, reference: Print, line: Line) -> tuple[Line, float]:
    """The line near another's middle on which most peaks meet, and how many bins higher they are.

    Vectors are alike along many lines; peaks meet along one. Within 0.3 s of the middle and 6 % of
    the view's tempo.
    """
    if not len(peaks.frames):
        return line, 0.0
    middle = float(peaks.frames.min() + peaks.frames.max()) / 2
    level = Line(float(line.at(np.array([middle], np.float32))[0]) - middle, 1.0)
    mine, theirs = _near_pairs(peaks, reference, level)
    if not len(mine):
        return line, 0.0
    late = reference.peak_frames[theirs] - level.at(peaks.frames[mine])
    away = peaks.frames[mine] - middle
    counted = _meeting(late[None, :] - _FINE_SLOPES[:, None] * away[None, :])
    counted = counted - np.abs(_FINE_SLOPES)[:, None]  # of equals the nearest
    row, column = np.unravel_index(int(counted.argmax()), counted.shape)
    slope, shift = float(_FINE_SLOPES[row]), float(column - _FINE_REACH - 1)
    meet = np.abs(late - slope * away - shift) <= 1.5
    higher = peaks.bins[mine[meet]] - reference.peak_bins[theirs[meet]]
    found = Line(level.offset + shift - slope * middle, 1.0 + slope)
    return found, float(higher.mean()) if len(higher) else 0.0


def _near_pairs(
    peaks: Peaks, reference: Print, line: Line
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Peaks of the query and of the reference that may be the same."""
    placed = line.at(peaks.frames)
    reach = _FINE_REACH + 1 + _FINE_SLOPES[-1] * float(np.ptp(peaks.frames)) / 2
    lows = np.searchsorted(reference.peak_frames, placed - reach)
    counts = np.searchsorted(reference.peak_frames, placed + reach) - lows
    mine = np.repeat(np.arange(len(placed)), counts)
    theirs = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts) + lows[mine]
    near = np.abs(peaks.bins[mine] - reference.peak_bins[theirs]) <= _FINE_BINS
    return mine[near], theirs[near]


def _meeting(late: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How many pairs (lines, n) are each of -13 to 13 frames late, within one: (lines, 27)."""
    width = 2 * _FINE_REACH + 3
    bins = np.clip(np.rint(late).astype(np.int32) + _FINE_REACH + 1, 0, width - 1)
    bins += np.arange(len(late), dtype=np.int32)[:, None] * width
    held = np.bincount(bins.ravel(), minlength=len(late) * width).reshape(-1, width)
    sides = np.pad(held, ((0, 0), (1, 1)))
    return (sides[:, :-2] + sides[:, 1:-1] + sides[:, 2:]).astype(np.float64)


def peaks_along(peaks: Peaks, reference: Print, line: Line) -> NDArray[np.bool_]:
    """Which of the query's peaks (n) the reference has too: within a frame and a bin."""
    placed = np.rint(line.at(peaks.frames)).astype(np.int64)
    bins = np.rint(peaks.bins).astype(np.int64)
    if not len(placed):
        return np.zeros(0, np.bool_)
    begin, end = int(placed.min()) - _NEAR, int(placed.max()) + _NEAR + 1
    first, last = np.searchsorted(reference.peak_frames, (begin, end))
    grid = np.zeros((end - begin + 2 * _NEAR, _ROW), np.bool_)
    rows = reference.peak_frames[first:last] - begin + _NEAR
    columns = reference.peak_bins[first:last].astype(np.int64) + _NEAR
    for late in range(-_NEAR, _NEAR + 1):
        for high in range(-_NEAR, _NEAR + 1):
            grid[rows + late, columns + high] = True
    inside = (bins >= -_NEAR) & (bins < _ROW - 2 * _NEAR)
    return inside & grid[placed - begin + _NEAR, np.clip(bins + _NEAR, 0, _ROW - 1)]
