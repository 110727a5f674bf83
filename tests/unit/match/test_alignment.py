"""Votes meet, lines are found, peaks are counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fingerprint.prints import Print, narrowed
from models.match.aligning import Line, Peaks, Windows, along, best_line, peaks_along, refined
from models.match.evidence import best_stretch
from models.match.hough import Votes, candidates


def reference(seed: int, count: int = 200) -> Print:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frames = np.sort(rng.integers(0, 10 * count, 6 * count)).astype(np.int32)
    return Print(narrowed(vectors), frames, rng.integers(0, 118, 6 * count).astype(np.uint8), 50.0)


def votes(slots: list[int], views: list[int], offsets: list[float], likeness: float) -> Votes:
    return Votes(
        np.array(slots, np.int32),
        np.array(views, np.int32),
        np.array(offsets, np.float32),
        np.full(len(slots), likeness, np.float32),
    )


@pytest.mark.parametrize("offset", [-3_000.0, -11.0, 0.0, 9.9, 10.1, 19.9, 20.1, 5_000.0])
def test_votes_that_agree_are_found_wherever_they_lie(offset: float) -> None:
    rng = np.random.default_rng(1)
    agreeing = votes([7] * 6, [2] * 6, [offset + late for late in range(-4, 5, 1)][:6], 0.6)
    noise = votes(
        rng.integers(0, 90, 400).tolist(), [0] * 400, rng.uniform(-9e3, 9e3, 400).tolist(), 0.5
    )
    every = Votes(*(np.concatenate(pair) for pair in zip(agreeing, noise, strict=True)))
    best = candidates(every, 5)[0]
    assert (best.slot, best.view) == (7, 2)
    assert best.offset == pytest.approx(offset - 1.5, abs=3)


def test_no_votes_no_candidates() -> None:
    assert candidates(votes([], [], [], 0.5), 5) == []
    assert candidates(votes([-1, 3], [0, 0], [0.0, 0.0], 0.2), 5) == []


@pytest.mark.parametrize("slope", [0.96, 1.0, 1.03])
def test_a_line_is_found_with_its_slope(slope: float) -> None:
    held = reference(2)
    frames = np.arange(0, 400, 10, dtype=np.float32)
    line = Line(500.0, slope)
    places = np.rint(line.at(frames) / 10).astype(int)
    windows = Windows(frames, held.vectors[places] / np.float32(256))
    found = best_line(windows, held, 500.0 + (slope - 1) * 195)
    assert found.at(frames)[[0, -1]] == pytest.approx(line.at(frames)[[0, -1]], abs=8)
    assert along(windows, held, found).mean() > 0.8


def test_beyond_the_ends_nothing_is_alike() -> None:
    held, frames = reference(3, 20), np.arange(0, 400, 10, dtype=np.float32)
    windows = Windows(frames, np.tile(held.vectors[:1] / np.float32(256), (40, 1)))
    assert not along(windows, held, Line(250.0, 1.0)).any()
    assert not along(windows, held, Line(-900.0, 1.0)).any()
    assert best_line(windows, held, 9_000.0) == Line(9_000.0, 1.0)


@given(st.integers(-10, 10), st.sampled_from([0.95, 0.98, 1.0, 1.02, 1.05]), st.integers(-2, 2))
def test_peaks_meet_on_one_line(late: int, slope: float, higher: int) -> None:
    held = reference(4)
    rng = np.random.default_rng(abs(late))
    chosen = np.sort(
        rng.choice(
            np.flatnonzero((held.peak_frames > 600) & (held.peak_frames < 1_000)), 60, replace=False
        )
    )
    frames = ((held.peak_frames[chosen] - 600) / slope).astype(np.float32)
    peaks = Peaks(frames, held.peak_bins[chosen].astype(np.float32) + higher)
    middle = float(frames.min() + frames.max()) / 2
    start = Line(600 + late + (slope - 1) * middle, 1.0)
    line, bins = refined(peaks, held, start)
    assert bins == pytest.approx(higher, abs=0.5)
    shifted = Peaks(frames, peaks.bins - np.float32(round(bins)))
    assert peaks_along(shifted, held, line).mean() > 0.9


def test_peaks_that_do_not_meet_are_not_counted() -> None:
    held, rng = reference(5), np.random.default_rng(6)
    frames, bins = rng.uniform(0, 400, 4_000), rng.uniform(0, 117, 4_000)
    peaks = Peaks(frames.astype(np.float32), bins.astype(np.float32))
    share = peaks_along(peaks, held, Line(700.0, 1.0)).mean()
    assert share == pytest.approx(9 * 0.6 / 118, abs=0.015)  # cells around each of .6 a frame
    assert not peaks_along(peaks, held, Line(90_000.0, 1.0)).any()


def test_a_stretch_ends_where_likeness_does() -> None:
    likeness = np.array([0.4, 0.1, 0.2, 0.9, 0.95, 0.2, 0.9, 0.92, 0.4, 0.1, 0.35], np.float32)
    assert best_stretch(likeness) == (3, 8)
    assert best_stretch(np.array([0.1, 0.2, 0.15], np.float32)) == (1, 2)
    assert best_stretch(np.array([0.7], np.float32)) == (0, 1)
