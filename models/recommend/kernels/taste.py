"""Kernels that say how well tracks fit a listener's taste, by the embedding."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import summing
from models.recommend.kernels.embedding import (
    BEFORE_DECAY,
    BEFORE_TRACKS,
    mean_vector,
)

__all__ = ["Taste", "fit"]

_NOW_TRACKS: Final = 5
_NOW_DECAY: Final = 0.8


class Taste(NamedTuple):
    """The embedding. `slot_of` is indexed by track id and holds slot + 1, or 0.

    The level of a track is its bias plus the logarithm of 1 + how often it was discovered.
    """

    slot_of: NDArray[np.int32]
    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]
    logs: NDArray[np.float32]


@summing
def fit(
    taste: Taste,
    own: NDArray[np.int32],
    tracks: NDArray[np.int32],
    means: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """How well tracks fit the vectors of a listener's own, newest first; 0 if unknown.

    Two rows: by the last 30 with each track's level, and by the last 5 alone. `own` is overwritten,
    and so are `means`, which have room for two vectors.
    """
    vectors, bias, logs, slot_of = taste.vectors, taste.bias, taste.logs, taste.slot_of
    own, lasting, now = own[:BEFORE_TRACKS], out[0], out[1]
    for p in range(len(own)):
        own[p] = slot_of[own[p]] - 1
    mean, lately, dimensions = means[0], means[1], means.shape[1]
    means[:] = 0
    if len(own) > 0:
        mean_vector(vectors, own, BEFORE_DECAY, mean)
        mean_vector(vectors, own[:_NOW_TRACKS], _NOW_DECAY, lately)
    for i in range(len(tracks)):
        slot = slot_of[tracks[i]] - 1
        lasting[i] = 0
        now[i] = 0
        if slot < 0:
            continue
        level, a, b = bias[slot] + logs[slot], np.float32(0), np.float32(0)
        for d in range(dimensions):
            value = vectors[slot, d]
            a += value * mean[d]
            b += value * lately[d]
        lasting[i] = level + a
        now[i] = b
