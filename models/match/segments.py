"""Stretches of a query that are of one reference, as they grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import Print
from models.fingerprint.spectrogram import FRAMES_PER_S, WINDOW_FRAMES
from models.fingerprint.views import View
from models.match.aligning import Line, Peaks, Windows, along, best_line, peaks_along, refined
from models.match.evidence import Evidence, best_stretch

__all__ = ["Segment", "Span"]

_ENDED: Final = 40  # frames without likeness, after which a segment has ended
_TRACKED: Final = 240  # frames, the last of a segment, that say where the next are


class Span(NamedTuple):
    """Where a segment is, in seconds of the query and of the reference."""

    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float


@dataclass(slots=True, eq=False)
class Segment:
    """An alignment with one reference through one view, and what its windows said so far.

    Frames are of the view; `hop` of them from one window to the next.
    """

    slot: int
    view: View
    line: Line
    hop: int
    bins: float = 0.0  # that the query is higher than the view says
    frames: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    likeness: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    peak_frames: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    peak_met: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    @classmethod
    def found(
        cls, slot: int, view: View, offset: float, heard: tuple[Windows, Peaks], reference: Print
    ) -> Segment:
        """Align all that is `heard` (windows and peaks of the view) near an offset."""
        line, bins = _aligned(heard, reference, offset)
        frames = heard[0].frames
        hop = int(frames[1] - frames[0]) if len(frames) > 1 else 1
        made = cls(slot, view, line, hop, bins)
        made._add(heard, reference)
        return made

    @property
    def heard_to(self) -> float:
        """The frame of the view after the last window that was looked at."""
        return float(self.frames[-1]) + self.hop

    @property
    def has_ended(self) -> bool:
        """Whether what was heard last is not alike."""
        return self.ends_at <= self.heard_to - _ENDED

    @property
    def begins_at(self) -> float:
        """The frame of the view at which the first window that speaks for it begins."""
        return float(self.frames[self._stretch()[0]])

    def go_on(self, recent: tuple[Windows, Peaks], reference: Print) -> None:
        """Look at what is new in `recent`, after aligning the end of what was heard before.

        What has ended is not aligned any more: what follows is something else.
        """
        windows, peaks = recent
        begins = max(self.begins_at, self.ends_at - _TRACKED)
        tracked, marked = windows.frames >= begins, peaks.frames >= begins
        if tracked.any() and not self.has_ended:
            known = Windows(windows.frames[tracked], windows.vectors[tracked])
            among = Peaks(peaks.frames[marked], peaks.bins[marked])
            offset = self.offset_at(float(known.frames.mean()))
            self.line, self.bins = _aligned((known, among), reference, offset)
        new, later = windows.frames >= self.heard_to, peaks.frames >= self.heard_to
        self._add(
            (
                Windows(windows.frames[new], windows.vectors[new]),
                Peaks(peaks.frames[later], peaks.bins[later]),
            ),
            reference,
        )

    def _add(self, heard: tuple[Windows, Peaks], reference: Print) -> None:
        windows, peaks = heard
        shifted = Peaks(peaks.frames, peaks.bins - np.float32(round(self.bins)))
        self.frames = np.concatenate((self.frames, windows.frames))
        self.likeness = np.concatenate((self.likeness, along(windows, reference, self.line)))
        self.peak_frames = np.concatenate((self.peak_frames, peaks.frames))
        self.peak_met = np.concatenate((self.peak_met, peaks_along(shifted, reference, self.line)))

    def _stretch(self) -> tuple[int, int]:
        return best_stretch(self.likeness)

    @property
    def ends_at(self) -> float:
        """The frame of the view at which the last window that speaks for it ends."""
        return float(self.frames[self._stretch()[1] - 1]) + WINDOW_FRAMES

    def offset_at(self, frame: float) -> float:
        """How many frames later in the reference a frame of the view is."""
        return self.line.offset + (self.line.slope - 1.0) * frame

    @property
    def evidence(self) -> Evidence:
        """What its best stretch says."""
        first, last = self._stretch()
        begins, ends = self.frames[first], self.frames[last - 1] + WINDOW_FRAMES
        among = (self.peak_frames >= begins) & (self.peak_frames < ends)
        return Evidence(
            float(ends - begins) / FRAMES_PER_S,
            float(self.likeness[first:last].mean()),
            int(self.peak_met[among].sum()),
            int(among.sum()),
        )

    @property
    def span(self) -> Span:
        """Where its best stretch is."""
        first, last = self._stretch()
        ends = np.array([self.frames[first], self.frames[last - 1] + WINDOW_FRAMES], np.float32)
        placed = self.line.at(ends) / FRAMES_PER_S
        query = ends / self.view.tempo / FRAMES_PER_S
        return Span(float(query[0]), float(query[1]), float(placed[0]), float(placed[1]))

    @property
    def tempo(self) -> float:
        """How many times as fast as the reference the query is."""
        return self.view.tempo * self.line.slope

    @property
    def semitones(self) -> float:
        """How much higher than the reference the query is."""
        return self.view.semitones + self.bins / 2


def _aligned(heard: tuple[Windows, Peaks], reference: Print, offset: float) -> tuple[Line, float]:
    """The line near an offset by vectors, then by peaks; and how many bins higher the query is."""
    windows, peaks = heard
    return refined(peaks, reference, best_line(windows, reference, offset))
