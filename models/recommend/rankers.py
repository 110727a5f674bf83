"""The two rankers of a partition, as they begin and as the changelog keeps them.

Layout of a record, little-endian: format version u8, number of features u16, how many lists each
ranker was trained on (2 x i64), weights, then sums of squared gradients (f64, a row per list).
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from models.recommend.kernels.candidates import AUDIO, POPULAR, TOGETHER
from models.recommend.kernels.ranking import FEATURE_COUNT, FORMS, Ranker

__all__ = ["RANKER_KEY", "decode_ranker", "encode_ranker", "new_ranker"]

RANKER_KEY: Final = b"\x01ranker"
"""The key of the rankers' record among those of listeners, whose ids hold no control characters."""

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BHqq")
_FIRST: Final = ((TOGETHER, 0, 2.0), (TOGETHER, 1, 1.0), (POPULAR, 0, 0.1), (AUDIO, 0, 0.05))


def new_ranker() -> Ranker:
    """Untrained rankers order by session neighbours, then by popularity, then by sound."""
    ranker = Ranker(
        np.zeros((2, FEATURE_COUNT)), np.zeros((2, FEATURE_COUNT)), np.zeros(2, np.int64)
    )
    for source, form, weight in _FIRST:
        ranker.weights[:, FORMS * source + form] = weight
    return ranker


def encode_ranker(ranker: Ranker) -> bytes:
    """The record of both rankers."""
    head = _HEAD.pack(_VERSION, FEATURE_COUNT, *ranker.trained.tolist())
    return head + ranker.weights.tobytes() + ranker.squares.tobytes()


def decode_ranker(value: bytes) -> Ranker | None:
    """Read a record back; None if it is of other features, or holds what is no number.

    Raises ValueError on anything else.
    """
    if len(value) < _HEAD.size:
        raise ValueError("ranker record is truncated")
    version, features, *trained = _HEAD.unpack_from(value)
    if version != _VERSION or features != FEATURE_COUNT:
        return None
    if len(value) != _HEAD.size + 32 * FEATURE_COUNT:
        raise ValueError("ranker record is of another length than it says")
    numbers = np.frombuffer(value, "<f8", 4 * FEATURE_COUNT, _HEAD.size)
    if not np.isfinite(numbers).all():
        return None
    weights, squares = numbers.reshape(2, 2, FEATURE_COUNT).copy()
    return Ranker(weights, squares, np.array(trained, np.int64))
