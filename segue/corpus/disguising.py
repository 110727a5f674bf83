"""Disguised music at 8 kHz: played faster, higher or slower, filtered, and degraded."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import av
import numpy as np
import torch
from av.filter import Graph
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.degrading import Degrader
from models.fingerprint.pools import Pool
from models.fingerprint.spectrogram import BINS_PER_OCTAVE, LOWEST_HZ, SPECTRUM_BINS

__all__ = ["changed", "disguised"]

_LENGTHS_S: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)


def disguised(
    pool: Pool, degrader: Degrader, rng: np.random.Generator
) -> tuple[int, NDArray[np.float32]]:
    """A recording of the pool, and 1 to 8 seconds of it, disguised."""
    seconds = float(rng.choice(_LENGTHS_S))
    tempo, semitones = _change(rng)
    length = int((seconds * tempo + 0.6) * SAMPLE_RATE)
    which, starts = pool.places(rng, 1, length)
    sound = pool.segment(int(which[0]), int(starts[0]), length)
    if (tempo, semitones) != (1.0, 0.0):
        sound = changed(sound, tempo, semitones)
    sound = sound[: int(seconds * SAMPLE_RATE)]
    degraded = degrader.heard(torch.from_numpy(sound[None, :]), rng)[0].numpy()
    return int(which[0]), _filtered(degraded, degrader.gains(1, rng)[0].numpy())


def _change(rng: np.random.Generator) -> tuple[float, float]:
    """Tempo and semitones: half unchanged, the rest faster or slower as a record, shifted or
    stretched."""
    kind = rng.choice(4, p=(0.5, 0.2, 0.15, 0.15))
    speed = float(rng.uniform(0.85, 1.3))
    return (
        (1.0, 0.0),
        (speed, 12 * float(np.log2(speed))),
        (1.0, float(rng.uniform(-2.5, 2.5))),
        (float(rng.uniform(0.88, 1.12)), 0.0),
    )[kind]


def changed(samples: NDArray[np.float32], tempo: float, semitones: float) -> NDArray[np.float32]:
    """Samples (8 kHz, mono) played `tempo` times as fast and `semitones` higher, by FFmpeg.

    Resampled to the pitch, then stretched to the tempo (atempo, 0.5 to 2 beyond the pitch's own).
    """
    speed = 2.0 ** (semitones / 12)
    graph = Graph()
    steps = [
        graph.add_abuffer(sample_rate=SAMPLE_RATE, format="flt", layout="mono"),
        graph.add("asetrate", str(round(SAMPLE_RATE * speed))),
        graph.add("aresample", str(SAMPLE_RATE)),
        graph.add("atempo", f"{tempo / speed:.6f}"),
        graph.add("aformat", "sample_fmts=flt"),
        graph.add("abuffersink"),
    ]
    for one, following in pairwise(steps):
        one.link_to(following)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    steps[0].push(frame)
    steps[0].push(None)
    parts: list[NDArray[np.float32]] = []
    while True:
        try:
            pulled = steps[-1].pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return np.concatenate(parts)
        assert isinstance(pulled, av.AudioFrame)
        parts.append(pulled.to_ndarray()[0])


def _filtered(sound: NDArray[np.float32], gains: NDArray[np.float32]) -> NDArray[np.float32]:
    """With power gains (118) of the spectrogram's bins; below and above as at the ends."""
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    at = np.log2(np.maximum(hz, 1.0) / LOWEST_HZ) * BINS_PER_OCTAVE
    decibels = np.interp(at, np.arange(SPECTRUM_BINS), 10 * np.log10(gains + 1e-12))
    heard = np.fft.irfft(np.fft.rfft(sound) * 10 ** (decibels / 20), len(sound))
    found: NDArray[np.float32] = heard.astype(np.float32)
    return found
