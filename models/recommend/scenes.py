"""Nothing to make lists from, in the form of something: rankers then learn nothing."""

from __future__ import annotations

from functools import cache
from typing import Protocol

import numpy as np

from models.recommend.kernels.audio import new_audio
from models.recommend.kernels.content import new_content
from models.recommend.kernels.embedding import DIMENSIONS
from models.recommend.kernels.scene import (
    NOTHING,
    Exploring,
    Popular,
    Rates,
    RowSource,
    Scene,
    ServingRules,
)
from models.recommend.kernels.taste import Taste

__all__ = ["Lists", "no_scene"]


class Lists(Protocol):
    """What lists are made from, for rankers to learn on: a `Recommender`."""

    def scene(self) -> Scene:
        """Rows and trends in place; used before anything changes them."""
        ...


@cache
def no_scene() -> Scene:
    """No rows, no trends, no catalogue and no sound. Compiled code takes arrays, not None."""
    one = np.zeros(1, np.int32)
    rows = RowSource(
        slot_of=one,
        ids=np.zeros((1, 1), np.int32),
        weights=np.zeros((1, 1), np.int64),
        forward=np.zeros((1, 1), np.int64),
        fading=np.zeros((1, 1), np.float32),
        sizes=one,
        plays=np.zeros(1, np.int64),
    )
    popular = Popular(np.zeros((1, 1), np.int32), np.zeros((1, 1)), one, one)
    rules = ServingRules(True, NOTHING, 0, Rates(), Exploring())
    nothing = np.zeros(1, np.float32)
    taste = Taste(one, np.zeros((1, DIMENSIONS), np.float32), nothing, nothing)
    content, audio = new_content(0).content, new_audio(0, 0).audio
    return Scene(rows, popular, taste, content, audio, np.zeros(1, np.uint32), one, rules)
