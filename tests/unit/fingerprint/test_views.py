"""A view shows what was changed as it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fingerprint.spectrogram import BINS, MARGIN, spectrogram
from models.fingerprint.views import IDENTITY, VIEWS, View, viewed
from segue.corpus.disguising import changed
from segue.testing.sounds import music

SOUND = music(31, 6.0)
PLAIN = spectrogram(SOUND)


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = 10 * np.log10(power + 1e-9)
    clipped: NDArray[np.float32] = np.maximum(found, found.max() - 40)
    return clipped


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.tempo:g} {view.semitones:.2g}")
def test_what_was_changed_looks_as_it_was(view: View) -> None:
    """The same change, undone by its own view, is nearer to the original than as it is."""
    heard = spectrogram(changed(SOUND, view.tempo, view.semitones))
    undone, as_it_is = viewed(heard, view), viewed(heard, IDENTITY)
    count = min(len(undone), len(as_it_is), len(PLAIN)) - 10
    inner = slice(8, BINS - 8)
    original = decibels(PLAIN[:count, MARGIN : MARGIN + BINS])[:, inner]
    likeness = [
        float(np.corrcoef(decibels(shown[:count])[:, inner].ravel(), original.ravel())[0, 1])
        for shown in (undone, as_it_is)
    ]
    assert likeness[0] > 0.8
    assert view == IDENTITY or likeness[0] > likeness[1] + 0.1


def test_the_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(viewed(PLAIN, IDENTITY), PLAIN[:, MARGIN : MARGIN + BINS])


@pytest.mark.parametrize("view", [View(0.9, 0.0), View.of_speed(1.2), View(1.0, 1.0)])
def test_a_view_from_within_is_the_end_of_the_whole(view: View) -> None:
    whole = viewed(PLAIN, view)
    begun = viewed(PLAIN[20:], view, start=30 / view.tempo - 20) if view.tempo < 1.2 else whole[30:]
    np.testing.assert_allclose(begun[: len(whole) - 30], whole[30:], rtol=1e-4, atol=1e-6)


def test_every_change_in_the_range_is_near_to_a_view() -> None:
    """Within what the encoder is trained to bear: 0.7 semitones and 6 % of tempo."""
    changes = [
        *((speed, 12 * math.log2(speed)) for speed in np.arange(0.8, 1.3501, 0.005)),
        *((1.0, semitones) for semitones in np.arange(-3, 3.01, 0.05)),
        *((tempo, 0.0) for tempo in np.arange(0.85, 1.1601, 0.005)),
    ]
    for tempo, semitones in changes:
        near = min(
            max(abs(semitones - view.semitones) / 0.7, abs(tempo / view.tempo - 1) / 0.06)
            for view in VIEWS
        )
        assert near < 1, (tempo, semitones)
