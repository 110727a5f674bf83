"""The front end: a power spectrogram on a logarithmic frequency axis.

On this axis a change of pitch is a shift of bins and a change of tempo a stretch of frames, so both
can be undone without the audio. Bins stand a quarter tone apart (24 per octave), frames
25 ms. A network sees the `BINS` in the middle; the `MARGIN` on either side is what comes into view
when pitch is shifted.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE

__all__ = [
    "BINS",
    "BINS_PER_OCTAVE",
    "FRAME",
    "FRAMES_PER_S",
    "HOP",
    "LOWEST_HZ",
    "MARGIN",
    "SILENCE",
    "SPECTRUM_BINS",
    "WINDOW_FRAMES",
    "Spectrograph",
    "filterbank",
    "spectrogram",
]

FRAME: Final = 1024  # samples, 128 ms
HOP: Final = 200  # samples, 25 ms
FRAMES_PER_S: Final = SAMPLE_RATE // HOP
WINDOW_FRAMES: Final = 40
BINS_PER_OCTAVE: Final = 24
BINS: Final = 96
MARGIN: Final = 11
SPECTRUM_BINS: Final = BINS + 2 * MARGIN
LOWEST_HZ: Final = 124.0  # the centre of the lowest bin; that of the highest is 3,640 Hz

_BLOCK: Final = 64  # frames that the caches of a core hold: four times as fast as all at once
SILENCE: Final = 2e-3  # power: 75 dB below a sine of full scale


@cache
def filterbank() -> NDArray[np.float32]:
    """Weights of each FFT bin (513) in each logarithmic bin (118), triangles that sum to 1.

    Low triangles are as wide as FFT bins are apart, so that none falls between two of them.
    """
    hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    centres = LOWEST_HZ * 2.0 ** (np.arange(SPECTRUM_BINS) / BINS_PER_OCTAVE)
    width = np.maximum(centres * (2.0 ** (1 / BINS_PER_OCTAVE) - 1), hz[1])
    weights = np.maximum(0.0, 1.0 - np.abs(hz[:, None] - centres) / width)
    normal: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return normal


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power (frames, 118) of mono samples at 8 kHz; frame t begins at sample 200 t.

    Frames reach no further than the samples do: n samples have 1 + (n - 1024) // 200 of them.
    """
    if len(samples) < FRAME:
        return np.zeros((0, SPECTRUM_BINS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    found = np.empty((len(frames), SPECTRUM_BINS), np.float32)
    for start in range(0, len(frames), _BLOCK):
        heard = np.fft.rfft(frames[start : start + _BLOCK] * _hann(), axis=1)
        power = heard.real**2 + heard.imag**2
        found[start : start + _BLOCK] = power @ filterbank()
    return found


class Spectrograph:
    """The same, of samples as they come: frames put together are those of the whole."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.float32)

    def take(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power (n, 118) of the frames that end within these samples."""
        held = np.concatenate((self._left, samples))
        found = spectrogram(held)
        self._left = held[len(found) * HOP :]
        return found

    def close(self) -> NDArray[np.float32]:
        """Of the frames that begin within the samples and would end in silence after them."""
        return self.take(np.zeros(FRAME - 1 if len(self._left) else 0, np.float32))


@cache
def _hann() -> NDArray[np.float32]:
    turns = np.arange(FRAME) / FRAME
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * turns)).astype(np.float32)
    return window
