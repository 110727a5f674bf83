"""From samples to a print, in bounded memory whatever the length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.engine import Engine
from models.fingerprint.peaks import PEAK_CONTEXT, peaks_of
from models.fingerprint.prints import DIMENSIONS, PRINT_HOP, Print, narrowed
from models.fingerprint.spectrogram import (
    BINS,
    MARGIN,
    SILENCE,
    SPECTRUM_BINS,
    WINDOW_FRAMES,
    Spectrograph,
)

__all__ = ["embedded", "printed", "windows_of"]

_GATHERED: Final = 8 * SAMPLE_RATE
_AT_ONCE: Final = 2_400  # frames, a minute


def printed(sound: Iterable[NDArray[np.float32]], engine: Engine) -> Print:
    """The print of mono samples at 8 kHz, as `decode` yields them."""
    graph, parts, samples = Spectrograph(), _Parts(engine), 0
    for part in _gathered(sound):
        samples += len(part)
        parts.take(graph.take(part))
    parts.take(graph.close())
    return parts.whole(samples / SAMPLE_RATE)


def _gathered(sound: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same samples, seconds at a time: decoders give a frame at a time, of 26 ms in MP3."""
    held: list[NDArray[np.float32]] = []
    count = 0
    for part in sound:
        held.append(part)
        count += len(part)
        if count >= _GATHERED:
            yield np.concatenate(held)
            held, count = [], 0
    if held:
        yield np.concatenate(held)


class _Parts:
    """Vectors and peaks of a spectrogram that comes in pieces; only its end is kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held = np.zeros((0, SPECTRUM_BINS), np.float32)
        self._first = 0  # which frame of the recording the first that is held is
        self._next_vector = self._next_peak = 0  # frames
        self._vectors, self._frames, self._bins = [_NO_VECTORS], [_NO_FRAMES], [_NO_BINS]

    def take(self, power: NDArray[np.float32]) -> None:
        self._held = np.concatenate((self._held, power))
        if len(self._held) >= _AT_ONCE:
            self._use(len(self._held) - PEAK_CONTEXT)

    def whole(self, seconds: float) -> Print:
        self._use(len(self._held))
        return Print(
            np.concatenate(self._vectors),
            np.concatenate(self._frames),
            np.concatenate(self._bins),
            seconds,
        )

    def _use(self, peaks_to: int) -> None:
        """Vectors of all windows that are held, peaks to a frame, and forget what is not needed."""
        inner = self._held[self._next_vector - self._first :, MARGIN : MARGIN + BINS]
        windows = windows_of(inner, PRINT_HOP)
        self._vectors.append(narrowed(embedded(windows, self._engine)))
        self._next_vector += len(windows) * PRINT_HOP
        frames, bins = peaks_of(self._held)
        frames = frames + np.int32(self._first)
        new = (frames >= self._next_peak) & (frames < self._first + peaks_to)
        self._frames.append(frames[new])
        self._bins.append(bins[new])
        self._next_peak = self._first + peaks_to
        keep_from = min(self._next_vector, max(0, self._next_peak - PEAK_CONTEXT))
        self._held = self._held[keep_from - self._first :]
        self._first = keep_from


_NO_VECTORS: Final = np.zeros((0, DIMENSIONS), np.int8)
_NO_FRAMES: Final = np.zeros(0, np.int32)
_NO_BINS: Final = np.zeros(0, np.uint8)


def windows_of(frames: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """Windows (n, 96, 40) of frames (m, 96), one each `hop` frames; a view of the same memory."""
    if len(frames) < WINDOW_FRAMES:
        return np.zeros((0, BINS, WINDOW_FRAMES), np.float32)
    return np.lib.stride_tricks.sliding_window_view(frames, WINDOW_FRAMES, axis=0)[::hop]


def embedded(windows: NDArray[np.float32], engine: Engine) -> NDArray[np.float32]:
    """Unit vectors (n, 128) of windows; zeros for those that are silent."""
    loud = windows.max(axis=(1, 2), initial=0.0) > SILENCE
    found = np.zeros((len(windows), DIMENSIONS), np.float32)
    found[loud] = engine.embed(windows[loud])
    return found
