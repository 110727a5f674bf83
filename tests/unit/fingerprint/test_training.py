"""Training learns, and goes on where it stopped as if it never had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.fingerprint.degrading import UNTOUCHED, Degrader
from models.fingerprint.pools import Pool
from models.fingerprint.training import Progress, Schedule, Training
from segue.testing.sounds import music

SCHEDULE = Schedule(steps=50, pairs=16, learning_rate=3e-3, average=0.9)


@pytest.fixture(scope="module")
def songs() -> Pool:
    return Pool([(music(seed, 20.0) * 32_000).astype(np.int16) for seed in range(12)])


def training(songs: Pool, schedule: Schedule = SCHEDULE) -> Training:
    noise = Pool([np.random.default_rng(1).integers(-3000, 3000, 40_000, np.int16)])
    room = np.exp(-np.arange(2_000, dtype=np.float32) / 400)[None, :]
    mild = replace(UNTOUCHED, noise=0.5, noise_db=(10.0, 20.0), late_s=0.1, codec=0.1)
    return Training(songs, Degrader((songs, noise, noise), room, mild), schedule)


def test_the_loss_falls(songs: Pool) -> None:
    alone = replace(SCHEDULE, remembered=0)  # with more negatives comes more to lose
    steps = [*training(songs, alone).run()]
    first, last = (np.mean([step.loss for step in part]) for part in (steps[:5], steps[-5:]))
    assert last < 0.9 * first
    assert np.mean([step.top1 for step in steps[-5:]]) > 0.2


def test_a_run_that_was_stopped_goes_on_exactly(songs: Pool, tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, steps=6)
    whole = training(songs, schedule)
    expected = [*whole.run()]
    stopped = training(songs, schedule)
    begun: list[Progress] = [step for _, step in zip(range(3), stopped.run(), strict=False)]
    stopped.save(tmp_path / "checkpoint.pt")
    again = training(songs, schedule)
    again.load(tmp_path / "checkpoint.pt")
    assert [*begun, *again.run()] == expected
    for name, weight in whole.average.state_dict().items():
        assert torch.equal(weight, again.average.state_dict()[name]), name


def test_a_checkpoint_of_another_schedule_is_refused(songs: Pool, tmp_path: Path) -> None:
    training(songs).save(tmp_path / "checkpoint.pt")
    other = training(songs, replace(SCHEDULE, pairs=8))
    with pytest.raises(ValueError, match="another schedule"):
        other.load(tmp_path / "checkpoint.pt")


def test_a_step_is_drawn_from_its_number(songs: Pool) -> None:
    one, other = training(songs), training(songs)
    one.step = other.step = 7
    for ours, theirs in zip(one.batch(), other.batch(), strict=True):
        assert torch.equal(ours, theirs)
    other.step = 8
    assert not torch.equal(one.batch()[0], other.batch()[0])


def test_a_checkpoint_of_other_music_is_refused(songs: Pool, tmp_path: Path) -> None:
    training(songs).save(tmp_path / "checkpoint.pt")
    other = training(songs)
    other.data = "other songs"
    with pytest.raises(ValueError, match="other music"):
        other.load(tmp_path / "checkpoint.pt")
