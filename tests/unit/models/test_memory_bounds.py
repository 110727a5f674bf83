"""1.5 KB for a listener and for a track, whatever they did: the columns that each of them has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.recommend import NeighbourState, Vocabulary
from segue.testing.stage_a import state

HELD = 1000


def bytes_each(values: object) -> float:
    """The bytes of one row of each array that has a row for everyone."""
    return sum(
        array.nbytes / len(array) for array in arrays(values) if len(array) in (HELD, HELD + 1)
    )


def arrays(values: object) -> Iterator[np.ndarray]:
    if isinstance(values, np.ndarray):
        yield values
    elif isinstance(values, tuple):
        for value in values:
            yield from arrays(value)


def test_a_listener_takes_at_most_1500_bytes() -> None:
    assert 1000 < bytes_each(state(listeners_max=HELD).arrays) <= 1500


def test_a_track_takes_at_most_1500_bytes() -> None:
    assert 1000 < bytes_each(NeighbourState(Vocabulary(), HELD)._rows) + 4 <= 1500, "4: its place"
