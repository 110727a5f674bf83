"""Degraded segments are as loud, as late and as shifted as they were asked to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.degrading import (
    CONTEXT,
    SEGMENT,
    UNTOUCHED,
    Degrader,
    Degrading,
    powers,
    warped,
)
from models.fingerprint.pools import Pool
from models.fingerprint.spectrogram import (
    BINS,
    BINS_PER_OCTAVE,
    LOWEST_HZ,
    MARGIN,
    WINDOW_FRAMES,
    spectrogram,
)
from segue.testing.sounds import music


def pool(*seeds: int) -> Pool:
    return Pool([(music(seed, 6.0) * 32_000).astype(np.int16) for seed in seeds])


def degrader(how: Degrading) -> Degrader:
    room = np.zeros((2, 800), np.float32)
    room[:, [0, 300]] = 1.0, 0.5
    return Degrader((pool(1, 2), pool(3), pool(4)), room, how)


def segments(*seeds: int) -> Tensor:
    found = [music(seed, SEGMENT / SAMPLE_RATE + 0.01)[:SEGMENT] for seed in seeds]
    return torch.from_numpy(np.stack(found))


def test_powers_are_those_of_the_front_end() -> None:
    sound = music(5, 3.0)
    found = powers(torch.from_numpy(sound)[None])[0].T.numpy()
    np.testing.assert_allclose(found, spectrogram(sound), rtol=1e-2, atol=1e-4)


def test_undegraded_queries_are_their_references() -> None:
    made, given = degrader(UNTOUCHED), segments(6, 7)
    rng = np.random.default_rng(1)
    torch.testing.assert_close(
        made.queries(given, rng), made.references(given), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1.0), (6.0, 1.0), (-4.0, 1.2), (2.0, 0.9)])
def test_a_tone_that_begins_is_found_where_the_warp_says(shift: float, stretch: float) -> None:
    bin_, begins_s = 60, 0.6
    time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    hz = LOWEST_HZ * 2 ** (bin_ / BINS_PER_OCTAVE)
    sound = np.where(time_s > begins_s, np.sin(2 * np.pi * hz * time_s), 0).astype(np.float32)
    one = torch.ones(1)
    window = warped(powers(torch.from_numpy(sound)[None]), 0 * one, shift * one, stretch * one)[0]
    assert abs(int(window.sum(dim=1).argmax()) - (bin_ - MARGIN - shift)) <= 1
    rise = window.sum(dim=0).diff().argmax()
    assert float(rise) * stretch == pytest.approx(begins_s * 40 - 2.5, abs=2)
    assert window.shape == (BINS, WINDOW_FRAMES)


@pytest.mark.parametrize("ratio", [-2.0, 10.0])
def test_noise_is_as_loud_as_asked(ratio: float) -> None:
    made = degrader(replace(UNTOUCHED, noise=1.0, noise_db=(ratio, ratio)))
    given = segments(8, 9, 10)
    sound = made._beside_others(given, np.random.default_rng(2))
    found = 10 * torch.log10(given.square().mean(1) / (sound - given).square().mean(1))
    np.testing.assert_allclose(found.numpy(), ratio, atol=0.1)


@pytest.mark.parametrize(
    "kind", ["room", "noise", "speech", "music", "equaliser", "low_pass", "high_pass", "clipping"]
)
def test_each_degradation_changes_what_is_heard(kind: str) -> None:
    changed: dict[str, Any] = {kind: 1.0}  # a share
    made, given = degrader(replace(UNTOUCHED, **changed)), segments(*range(11, 19))
    rng = np.random.default_rng(3)
    before, after = made.references(given), made.queries(given, rng)
    assert after.isfinite().all()
    assert (10 * torch.log10((after + 1e-6) / (before + 1e-6))).abs().mean() > 0.3


def test_a_room_answers_what_was_before_the_window() -> None:
    made = degrader(replace(UNTOUCHED, room=1.0))
    before = torch.zeros(1, SEGMENT)
    before[0, CONTEXT - 200 : CONTEXT] = 1.0
    assert made.queries(before, np.random.default_rng(4)).sum() > 0
    assert made.references(before).sum() == 0


def test_the_same_seed_does_the_same() -> None:
    made, given = degrader(Degrading()), segments(*range(12, 28))
    first, again, other = (made.queries(given, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
