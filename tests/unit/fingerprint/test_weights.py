"""Weights that do not fit are refused; those that do give the same vectors everywhere."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch

from models.fingerprint import spectrogram
from models.fingerprint.network import Encoder
from models.fingerprint.spectrogram import BINS, WINDOW_FRAMES
from models.fingerprint.weights import WeightsRefused, embedded, load, save


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    encoder = Encoder().eval()
    save(tmp_path / "weights.npz", encoder, {"trained": "never"})
    return tmp_path / "weights.npz"


def test_what_is_saved_gives_the_same_vectors(saved: Path) -> None:
    torch.manual_seed(1)
    before = Encoder().eval()
    after, notes = load(saved)
    power = np.random.default_rng(2).random((4, BINS, WINDOW_FRAMES), np.float32)
    likeness = np.sum(embedded(before, power) * embedded(after, power), axis=1)
    assert likeness == pytest.approx(1, abs=1e-3)
    assert notes == {"trained": "never"}


def test_vectors_are_of_length_one_and_do_not_depend_on_loudness(saved: Path) -> None:
    encoder, _ = load(saved)
    power = np.random.default_rng(3).random((4, BINS, WINDOW_FRAMES), np.float32) + 0.01
    quiet, loud = embedded(encoder, power), embedded(encoder, 500 * power)
    np.testing.assert_allclose(np.linalg.norm(quiet, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(quiet, loud, atol=1e-4)


def test_another_front_end_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrogram, "LOWEST_HZ", 125.0)
    with pytest.raises(WeightsRefused, match="another front end"):
        load(saved)


def _changed(
    path: Path, name: str, value: np.ndarray[tuple[int, ...], np.dtype[np.float16]]
) -> None:
    with np.load(path) as held:
        arrays = {key: held[key] for key in held.files}
    np.savez(path, **{**arrays, name: value})


def test_weights_that_give_other_vectors_are_refused(saved: Path) -> None:
    shape = Encoder().head.weight.shape
    _changed(saved, "weights/head.weight", np.ones(tuple(shape), np.float16))
    with pytest.raises(WeightsRefused, match="does not give its own vectors"):
        load(saved)


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    _changed(saved, "weights/head.weight", np.ones((3, 3), np.float16))
    with pytest.raises(WeightsRefused, match=r"head\.weight"):
        load(saved)


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_broken_file_is_refused(saved: Path, kept: int) -> None:
    raw = saved.read_bytes()
    saved.write_bytes(raw[:kept] if kept >= 0 else raw[: len(raw) // 2] + raw[len(raw) // 2 + 1 :])
    with pytest.raises(WeightsRefused, match="cannot be read"):
        load(saved)


def test_what_is_shipped_loads_and_tells_where_it_comes_from() -> None:
    _, notes = load()
    assert {"steps", "music"} <= notes.keys()


def test_a_file_that_lacks_a_part_is_refused(saved: Path) -> None:
    with np.load(saved) as held:
        arrays = {key: held[key] for key in held.files if key != "expected"}
    np.savez(saved, **arrays)
    with pytest.raises(WeightsRefused, match="cannot be read"):
        load(saved)


def test_one_array_alone_is_refused(saved: Path) -> None:
    with saved.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(WeightsRefused, match="cannot be read"):
        load(saved)


def test_random_damage_is_refused_or_does_no_harm(saved: Path) -> None:
    rng, raw = np.random.default_rng(1), np.frombuffer(saved.read_bytes(), np.uint8)
    for _ in range(40):
        broken = raw.copy()
        broken[rng.integers(len(broken), size=3)] ^= 255
        saved.write_bytes(broken.tobytes())
        with contextlib.suppress(WeightsRefused):
            load(saved)
