"""Disguises do what they are named for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.fingerprint.degrading import UNTOUCHED, Degrader
from models.fingerprint.pools import Pool
from segue.corpus.disguising import changed, disguised
from segue.testing.sounds import music

RATE = 8_000


@pytest.mark.parametrize(
    ("tempo", "semitones"),
    [(1.0, 0.0), (1.25, 12 * math.log2(1.25)), (0.9, 0.0), (1.0, 2.0), (1.1, -1.0)],
)
def test_a_tone_is_as_long_and_as_high_as_asked(tempo: float, semitones: float) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(6 * RATE) / RATE).astype(np.float32)
    heard = changed(tone, tempo, semitones)
    assert len(heard) * tempo == pytest.approx(len(tone), rel=0.01)
    middle = heard[RATE : 3 * RATE]
    hz = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() / 2
    assert hz == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)


def test_excerpts_are_of_the_recording_they_name() -> None:
    """Half of them are not changed: they lie in it to the sample."""
    pool = Pool([(music(seed, 12.0) * 32_000).astype(np.int16) for seed in (1, 2, 3)])
    degrader = Degrader((pool, pool, pool), np.ones((1, 1), np.float32), UNTOUCHED)
    same = 0
    for number in range(40):
        which, sound = disguised(pool, degrader, np.random.default_rng(number))
        assert len(sound) / RATE in {1.0, 1.5, 2.0, 3.0, 5.0, 8.0}
        own = np.fft.rfft(pool.samples[which].astype(np.float32) / 32_768, 1 << 18)
        product = np.fft.irfft(own * np.conj(np.fft.rfft(sound, 1 << 18)))
        same += bool(product.max() > 0.99 * np.sum(sound**2))
    assert 12 <= same <= 28
