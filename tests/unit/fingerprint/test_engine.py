"""A file that does not fit is refused; one that does gives the same vectors everywhere."""

from __future__ import annotations

import contextlib
from pathlib import Path
from shutil import copy

import numpy as np
import onnx
import pytest
import torch

from models.fingerprint import spectrogram
from models.fingerprint.engine import Engine, WeightsRefused
from models.fingerprint.exporting import export
from models.fingerprint.network import Encoder, shown
from models.fingerprint.spectrogram import BINS, WINDOW_FRAMES


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "encoder.onnx"
    export(path, Encoder().eval(), {"trained": "never"})
    return path


@pytest.fixture
def saved(written: Path, tmp_path: Path) -> Path:
    return Path(copy(written, tmp_path))


def windows(seed: int, count: int = 70) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).random((count, BINS, WINDOW_FRAMES), np.float32) + 0.01


def test_what_is_written_gives_the_vectors_of_the_network(saved: Path) -> None:
    torch.manual_seed(1)
    network, engine = Encoder().eval(), Engine(saved)
    with torch.inference_mode():
        expected = network(shown(torch.from_numpy(windows(2)))).numpy()
    np.testing.assert_allclose(engine.embed(windows(2)), expected, atol=1e-5)
    assert engine.notes == {"trained": "never"}


def test_vectors_are_of_length_one_and_do_not_depend_on_loudness(saved: Path) -> None:
    engine = Engine(saved)
    quiet, loud = engine.embed(windows(3)), engine.embed(500 * windows(3))
    np.testing.assert_allclose(np.linalg.norm(quiet, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(quiet, loud, atol=1e-4)


def test_a_vector_does_not_depend_on_the_others_of_its_batch(saved: Path) -> None:
    engine = Engine(saved)
    together = engine.embed(windows(4))
    np.testing.assert_allclose(engine.embed(windows(4)[66:67])[0], together[66], atol=1e-6)
    assert engine.embed(windows(4)[:0]).shape == (0, 128)


def test_another_front_end_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrogram, "LOWEST_HZ", 125.0)
    with pytest.raises(WeightsRefused, match="another front end"):
        Engine(saved)


def test_weights_that_give_other_vectors_are_refused(saved: Path) -> None:
    model = onnx.load(saved)
    largest = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    rng = np.random.default_rng(5)
    largest.raw_data = rng.normal(size=len(largest.raw_data) // 4).astype(np.float32).tobytes()
    onnx.save(model, saved)
    with pytest.raises(WeightsRefused, match="does not give its own vectors"):
        Engine(saved)


def test_a_graph_without_its_test_is_refused(saved: Path) -> None:
    model = onnx.load(saved)
    del model.metadata_props[:]
    onnx.save(model, saved)
    with pytest.raises(WeightsRefused, match="cannot be read"):
        Engine(saved)


@pytest.mark.parametrize("kept", [0, 100, 10_000])
def test_a_part_of_a_file_is_refused(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(WeightsRefused, match="cannot be read"):
        Engine(saved)


def test_random_damage_is_refused_or_does_no_harm(saved: Path) -> None:
    rng, raw = np.random.default_rng(1), np.frombuffer(saved.read_bytes(), np.uint8)
    for _ in range(20):
        broken = raw.copy()
        broken[rng.integers(len(broken), size=3)] ^= 255
        saved.write_bytes(broken.tobytes())
        with contextlib.suppress(WeightsRefused):
            Engine(saved)


def test_other_weights_have_another_identity(saved: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    export(tmp_path / "other.onnx", Encoder().eval(), {"trained": "never"})
    assert Engine(saved).identity == Engine(saved).identity
    assert Engine(saved).identity != Engine(tmp_path / "other.onnx").identity


def test_what_is_shipped_loads_and_tells_where_it_comes_from() -> None:
    engine = Engine()
    assert {"steps", "music"} <= engine.notes.keys()
