"""`segue fingerprint`: train from a corpus, go on, verify; what lacks is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from models.fingerprint.engine import Engine
from segue.cli.fingerprint import fingerprint
from segue.corpus.packages import NOISE, SPEECH, TESTING, TRAINING
from segue.errors import Misconfigured
from segue.testing.sounds import music

STEPS = ("--steps", "12", "--pairs", "8", "--threads", "1")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for seed, name in enumerate((*TRAINING, *NOISE, *SPEECH)):
        role = "voice" if name in SPEECH else "noise" if name in NOISE else "music"
        write(folder, name, role, seed)
    return folder


def write(folder: Path, name: str, role: str, seed: int) -> None:
    samples = (music(seed, 4.0) * 32_000).astype("<i2")
    (folder / f"{name}.i16").write_bytes(samples.tobytes())
    clips = [{"name": name, "at": 0, "n": len(samples), "role": role}]
    if role == "music":
        clips.append({"name": "a knock", "at": 0, "n": 8_000, "role": "noise"})
    (folder / f"{name}.json").write_text(json.dumps({"package": name, "clips": clips}))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(fingerprint, [*map(str, arguments)])


def test_weights_are_trained_verified_and_gone_on_with(corpus: Path, tmp_path: Path) -> None:
    places = ("--corpus", corpus, "--checkpoint", tmp_path / "c.pt", "--out", tmp_path / "w.onnx")
    trained = run("train", *places, *STEPS, "--plot", tmp_path / "curve.png")
    assert trained.exit_code == 0, trained.output
    assert (tmp_path / "curve.png").stat().st_size > 5_000
    first = Engine(tmp_path / "w.onnx")
    assert first.notes["steps"] == "12 of 8 pairs, seed 1"
    again = run("train", *places, *STEPS)  # from the checkpoint: nothing is left to do
    assert again.exit_code == 0, again.output
    assert Engine(tmp_path / "w.onnx").identity == first.identity
    verified = run("verify", tmp_path / "w.onnx")
    assert verified.exit_code == 0, verified.output
    assert "12 of 8 pairs" in verified.output


def test_rooms_are_read_and_the_last_kept_back(corpus: Path, tmp_path: Path) -> None:
    places = ("--corpus", corpus, "--checkpoint", tmp_path / "c.pt", "--out", tmp_path / "w.onnx")
    np.save(tmp_path / "rooms.npy", np.zeros((16, 24_000), np.float16))
    refused = run("train", *places, *STEPS, "--rooms", tmp_path / "rooms.npy")
    assert isinstance(refused.exception, Misconfigured)
    responses = np.random.default_rng(1).normal(size=(18, 24_000)).astype(np.float16)
    np.save(tmp_path / "rooms.npy", responses)
    trained = run("train", *places, *STEPS, "--rooms", tmp_path / "rooms.npy")
    assert trained.exit_code == 0, trained.output


def test_a_corpus_that_lacks_packages_says_which(corpus: Path, tmp_path: Path) -> None:
    (corpus / f"{TRAINING[0]}.json").unlink()
    places = ("--corpus", corpus, "--checkpoint", tmp_path / "c.pt", "--out", tmp_path / "w.onnx")
    refused = run("train", *places, *STEPS)
    assert isinstance(refused.exception, Misconfigured)
    assert TRAINING[0] in str(refused.exception)
    assert "segue fingerprint fetch" in refused.exception.remedy


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.onnx").write_bytes(b"no weights")
    refused = run("verify", tmp_path / "w.onnx")
    assert isinstance(refused.exception, Misconfigured)
    assert "cannot be read" in str(refused.exception)


def test_seconds_are_found_among_those_of_the_packages_for_tests(corpus: Path) -> None:
    for seed, name in enumerate(TESTING, start=100):
        write(corpus, name, "music", seed)
    found = run("evaluate", "--corpus", corpus, "--queries", "40", "--json")
    assert found.exit_code == 0, found.output
    rates = {one["condition"]: one for one in json.loads(found.output)}
    assert all(one["queries"] == 40 for one in rates.values())
    assert rates["as it is"]["place"] > 0.7
    assert rates["noise 0 dB"]["place"] < rates["as it is"]["place"]


def test_a_checkpoint_of_another_schedule_is_told(corpus: Path, tmp_path: Path) -> None:
    places = ("--corpus", corpus, "--checkpoint", tmp_path / "c.pt", "--out", tmp_path / "w.onnx")
    assert run("train", *places, *STEPS).exit_code == 0
    refused = run("train", *places, *STEPS, "--pairs", "9")
    assert isinstance(refused.exception, Misconfigured)
    assert "another schedule" in str(refused.exception)


def test_a_calibration_is_learned_and_names_its_encoder(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    learned = run("calibrate", "--corpus", corpus, "--out", out, "--queries", "100")
    assert learned.exit_code == 0, learned.output
    held = json.loads(out.read_text())
    assert held["encoder"] == Engine().identity
    assert len(held["weights"]) == 6
    assert held["vector_count"] > 100
    assert "expected calibration error 0.0" in learned.output
