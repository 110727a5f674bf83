"""How often one second, degraded, is found among all seconds of recordings never trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.fingerprint.degrading import CONTEXT, SEGMENT, UNTOUCHED, Degrader, Degrading
from models.fingerprint.engine import Engine
from models.fingerprint.pools import Pool
from models.fingerprint.spectrogram import BINS, HOP, MARGIN, WINDOW_FRAMES, spectrogram

__all__ = ["CONDITIONS", "Found", "evaluate", "reference_vectors"]

_LATE: Final = replace(UNTOUCHED, late_s=0.125)
CONDITIONS: Final[Mapping[str, Degrading]] = {
    "as it is": _LATE,
    "noise 10 dB": replace(_LATE, noise=1.0, noise_db=(10.0, 10.0)),
    "noise 5 dB": replace(_LATE, noise=1.0, noise_db=(5.0, 5.0)),
    "noise 0 dB": replace(_LATE, noise=1.0, noise_db=(0.0, 0.0)),
    "speech 0 dB": replace(_LATE, speech=1.0, speech_db=(0.0, 0.0)),
    "room": replace(_LATE, room=1.0),
    "equaliser ± 10 dB": replace(_LATE, equaliser=1.0),
    "low-pass": replace(_LATE, low_pass=1.0),
    "pitch ± 0.7 semitones": replace(_LATE, pitch_bins=1.4),
    "tempo ± 6 %": replace(_LATE, tempo=0.06),
    "as trained": Degrading(),
}
"""Each query is up to 0.125 s late besides: references are 0.25 s apart."""
_REFERENCE_HOP: Final = WINDOW_FRAMES // 4  # frames: 4 references a second
_NEAR: Final = WINDOW_FRAMES // 4  # frames that a hit may be off
_BATCH: Final = 512


class Found(NamedTuple):
    """Of the queries of a condition: `place` hits at the right time, `recording` at any."""

    condition: str
    queries: int
    place: float
    recording: float


def reference_vectors(
    engine: Engine, pool: Pool
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Vectors (n, 128) of all windows, four a second, and the recording and first frame of each."""
    vectors, recordings, frames = [], [], []
    for which, samples in enumerate(pool.samples):
        power = spectrogram(samples.astype(np.float32) / np.float32(32_768))
        firsts = np.arange(0, len(power) - WINDOW_FRAMES + 1, _REFERENCE_HOP)
        inner = power[:, MARGIN : MARGIN + BINS]
        for start in range(0, len(firsts), _BATCH):
            part = firsts[start : start + _BATCH]
            windows = np.stack([inner[at : at + WINDOW_FRAMES].T for at in part])
            vectors.append(engine.embed(windows))
        recordings.append(np.full(len(firsts), which))
        frames.append(firsts)
    return np.concatenate(vectors), np.concatenate(recordings), np.concatenate(frames)


def evaluate(
    engine: Engine, music: Pool, degrader: Degrader, *, queries: int, seed: int
) -> Iterator[Found]:
    """Ask the same seconds under each condition; the nearest window by cosine answers."""
    vectors, recordings, frames = reference_vectors(engine, music)
    which, starts = music.places(np.random.default_rng(seed), queries, SEGMENT)
    segments = torch.from_numpy(music.segments(which, starts, SEGMENT))
    meant = (starts + CONTEXT) / HOP
    for name, how in CONDITIONS.items():
        degrader.how = how
        rng = np.random.default_rng([seed, 1])
        nearest = []
        for start in range(0, queries, _BATCH):
            part = degrader.queries(segments[start : start + _BATCH], rng)
            asked = engine.embed(part.numpy())
            nearest.append((asked @ vectors.T).argmax(axis=1))
        answer = np.concatenate(nearest)
        recording = recordings[answer] == which
        place = recording & (np.abs(frames[answer] - meant) <= _NEAR)
        yield Found(name, queries, float(place.mean()), float(recording.mean()))
