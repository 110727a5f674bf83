"""One upload as it is heard: its last seconds, seen through every view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.engine import Engine
from models.fingerprint.peaks import PEAK_CONTEXT, peaks_of
from models.fingerprint.printing import embedded, windows_of
from models.fingerprint.prints import DIMENSIONS
from models.fingerprint.spectrogram import SPECTRUM_BINS, WINDOW_FRAMES
from models.fingerprint.views import VIEWS, viewed
from models.match.aligning import Peaks, Windows

__all__ = ["DENSE_HOP", "Glimpses", "Stop"]

DENSE_HOP: Final = 10  # frames of a view from one window to the next: four a second


Stop = Callable[[NDArray[np.float32]], NDArray[np.bool_]]
"""Which vectors (n, 128) are of sounds that tell nothing: stock sounds, jingles, applause."""


class Glimpses:
    """The last `horizon` frames of a query, and its windows and peaks through each view.

    Windows are embedded when they are asked for, once.
    """

    def __init__(
        self, engine: Engine, horizon: int, hop: int = DENSE_HOP, stop: Stop | None = None
    ) -> None:
        self._engine, self._horizon, self.hop, self._stop = engine, horizon, hop, stop
        self._power = np.zeros((0, SPECTRUM_BINS), np.float32)
        self._mute = np.zeros(0, np.bool_)  # frames of sounds that are to be stopped
        self.first = 0  # frame of the query that is the first held
        self._peaks: Peaks | None = None
        self._known: list[dict[int, NDArray[np.float32]]] = [{} for _ in VIEWS]

    @property
    def end(self) -> int:
        """Frames of the query so far."""
        return self.first + len(self._power)

    def take(self, power: NDArray[np.float32]) -> None:
        """Hear further frames (n, 118); what is older than the horizon is forgotten."""
        self._power = np.concatenate((self._power, power))
        gone = max(0, len(self._power) - self._horizon - PEAK_CONTEXT)
        self._power = self._power[gone:]
        self._mute = np.concatenate((self._mute, np.zeros(len(power), np.bool_)))[gone:]
        self.first += gone
        self._peaks = None
        for known, view in zip(self._known, VIEWS, strict=True):
            oldest = self.first * view.tempo / self.hop
            for index in [index for index in known if index < oldest]:
                del known[index]

    def count(self, view: int) -> int:
        """One more than the last window that is whole."""
        return int(((self.end - 1) * VIEWS[view].tempo - WINDOW_FRAMES + 1) // self.hop) + 1

    def windows(self, view: int, first: int, last: int, step: int = 1) -> Windows:
        """Windows `first` to `last` (not included) through a view, each `step`th, if still held."""
        self.prepare([(view, first, last, step)])
        wanted = self._held(view, first, last, step)
        vectors = np.stack([self._known[view][i] for i in wanted]) if wanted else _NOTHING
        frames = np.array(wanted, np.float32) * self.hop
        if self._mute.any():
            middles = (frames + WINDOW_FRAMES // 2) / VIEWS[view].tempo - self.first
            last = len(self._mute) - 1
            vectors[self._mute[np.minimum(middles.astype(np.int64), last)]] = 0.0
        return Windows(frames, vectors)

    def prepare(self, asked: Sequence[tuple[int, int, int, int]]) -> None:
        """Embed what `windows` will be asked for, all of it together: that is faster."""
        lacking: list[tuple[int, int]] = []
        seen: list[NDArray[np.float32]] = []
        for view, first, last, step in asked:
            known = self._known[view]
            missing = [i for i in self._held(view, first, last, step) if i not in known]
            if missing:
                begin = missing[0] * self.hop / VIEWS[view].tempo - self.first
                frames = viewed(self._power, VIEWS[view], begin)
                rows = (np.array(missing) - missing[0]) * self.hop
                seen.append(windows_of(frames, 1)[np.minimum(rows, len(frames) - WINDOW_FRAMES)])
                lacking += [(view, i) for i in missing]
        if seen:
            vectors = embedded(np.concatenate(seen), self._engine)
            if self._stop is not None:
                self._mark(lacking, self._stop(vectors))
            for (view, i), vector in zip(lacking, vectors, strict=True):
                self._known[view][i] = vector

    def _mark(self, windows: list[tuple[int, int]], stopped: NDArray[np.bool_]) -> None:
        """The frames of windows tell nothing, through whatever view they are seen."""
        for (view, i), is_stopped in zip(windows, stopped, strict=True):
            if is_stopped:
                tempo = VIEWS[view].tempo
                begin = int(i * self.hop / tempo) - self.first
                self._mute[max(0, begin) : begin + round(WINDOW_FRAMES / tempo)] = True

    def _held(self, view: int, first: int, last: int, step: int) -> range:
        """Windows that are whole and not forgotten."""
        oldest = int(np.ceil(self.first * VIEWS[view].tempo / self.hop))
        return range(-(-max(first, oldest) // step) * step, min(last, self.count(view)), step)

    def peaks(self) -> Peaks:
        """Peaks of all frames that are held, as they are."""
        if self._peaks is None:
            frames, bins = peaks_of(self._power)
            told = ~self._mute[frames]
            frames, bins = frames[told], bins[told]
            self._peaks = Peaks((frames + self.first).astype(np.float32), bins.astype(np.float32))
        return self._peaks


_NOTHING: Final = np.zeros((0, DIMENSIONS), np.float32)
