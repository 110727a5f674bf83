"""A print is the same however its samples come, and holds what is loud."""

from __future__ import annotations

import numpy as np
import pytest

from models.fingerprint.engine import Engine
from models.fingerprint.peaks import peaks_of
from models.fingerprint.printing import printed
from models.fingerprint.prints import expanded
from models.fingerprint.spectrogram import FRAMES_PER_S, SILENCE, Spectrograph, spectrogram
from segue.testing.sounds import music

RATE = 8_000


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize("seed", [1, 2])
def test_it_does_not_matter_how_samples_come(engine: Engine, seed: int) -> None:
    sound = music(40, 150.0)  # more than is looked at at once
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(sound), 40))
    whole, parts = printed([sound], engine), printed(np.split(sound, cuts), engine)
    assert np.abs(whole.vectors.astype(int) - parts.vectors).max() <= 1
    np.testing.assert_array_equal(whole.peak_frames, parts.peak_frames)
    np.testing.assert_array_equal(whole.peak_bins, parts.peak_bins)
    assert parts.seconds == 150.0


def test_there_are_four_vectors_a_second_to_the_end(engine: Engine) -> None:
    made = printed([music(41, 20.0)], engine)
    assert len(made.vectors) == pytest.approx(4 * 19 + 1, abs=1)
    np.testing.assert_allclose(np.linalg.norm(expanded(made.vectors), axis=1), 1, atol=0.02)


def test_silence_has_no_vector_and_no_peak(engine: Engine) -> None:
    sound = np.concatenate((music(42, 5.0), np.zeros(6 * RATE, np.float32), music(43, 5.0)))
    made = printed([sound], engine)
    loud = np.abs(made.vectors).max(axis=1) > 0
    assert not loud[4 * 6 : 4 * 9].any()
    assert loud[: 4 * 4].all()
    within = (made.peak_frames > 5.3 * FRAMES_PER_S) & (made.peak_frames < 10.7 * FRAMES_PER_S)
    assert not within.any()
    assert printed([np.zeros(9 * RATE, np.float32)], engine).is_of_silence


@pytest.mark.parametrize("length", [0, 100, 1_024, 5_000])
def test_what_is_shorter_than_a_second_has_no_vector(engine: Engine, length: int) -> None:
    assert printed([music(44, 1.0)[:length]], engine).vectors.shape == (0, 128)


def test_frames_of_parts_are_those_of_the_whole() -> None:
    sound, graph = music(45, 7.0), Spectrograph()
    cuts = np.sort(np.random.default_rng(3).integers(0, len(sound), 30))
    parts = [graph.take(part) for part in np.split(sound, cuts)]
    whole = spectrogram(sound)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-6)
    assert len(graph.close()) == FRAMES_PER_S * 7 - len(whole)


def test_a_peak_is_louder_than_all_around_it() -> None:
    power = spectrogram(music(46, 8.0))
    frames, bins = peaks_of(power)
    assert 60 < len(frames) < 240
    for frame, bin_ in zip(frames.tolist(), bins.tolist(), strict=True):
        around = power[frame - 7 : frame + 8, max(0, bin_ - 5) : bin_ + 6]
        assert power[frame, bin_] == around.max() > SILENCE


def test_no_peak_is_forgotten() -> None:
    power = np.full((60, 118), 1e-3, np.float32)
    places = [(10, 0), (30, 117), (50, 60), (12, 20)]
    for frame, bin_ in places:
        power[frame, bin_] = 1.0
    frames, bins = peaks_of(power)
    assert {*zip(frames.tolist(), bins.tolist(), strict=True)} == {*places}
