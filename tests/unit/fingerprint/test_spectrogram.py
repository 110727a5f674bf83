"""On the logarithmic axis pitch is a shift and tempo a stretch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.spectrogram import (
    BINS_PER_OCTAVE,
    FRAME,
    HOP,
    LOWEST_HZ,
    SPECTRUM_BINS,
    filterbank,
    spectrogram,
)
from segue.testing.sounds import music


def tone(hz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    time_s = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.sin(2 * np.pi * hz * time_s).astype(np.float32)


@pytest.mark.parametrize("bins", [30, 48, 71.5, 100])
def test_a_tone_stands_in_its_bin(bins: float) -> None:
    power = spectrogram(tone(LOWEST_HZ * 2 ** (bins / BINS_PER_OCTAVE)))
    assert abs(int(power.mean(axis=0).argmax()) - bins) <= 1


def test_frames_reach_no_further_than_the_samples() -> None:
    for count, frames in ((FRAME - 1, 0), (FRAME, 1), (FRAME + HOP - 1, 1), (FRAME + HOP, 2)):
        assert spectrogram(np.ones(count, np.float32)).shape == (frames, SPECTRUM_BINS)


def test_frames_of_a_part_are_those_of_the_whole() -> None:
    sound = music(1, 4.0)
    whole, part = spectrogram(sound), spectrogram(sound[40 * HOP :])
    np.testing.assert_allclose(whole[40:], part, rtol=1e-4, atol=1e-6)


def test_an_octave_up_is_24_bins_up() -> None:
    low, high = (spectrogram(tone(hz)).mean(axis=0) for hz in (400.0, 800.0))
    assert int(high.argmax()) - int(low.argmax()) == BINS_PER_OCTAVE


def test_every_bin_hears_something_and_weighs_the_same() -> None:
    np.testing.assert_allclose(filterbank().sum(axis=0), 1.0, rtol=1e-5)
