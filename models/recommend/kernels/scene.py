"""What lists are made from besides the listener: rows, trends, taste, catalogue, sound, rules."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.audio import Audio
from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.content import Content
from models.recommend.kernels.taste import Taste

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Exploring",
    "Popular",
    "Rates",
    "RowSource",
    "Scene",
    "ServingRules",
    "left_out_of",
    "market_row",
]

NOTHING: Final = -1
EVERYTHING: Final = -2


class RowSource(NamedTuple):
    """Neighbour rows by track. `slot_of` is indexed by track id and holds slot + 1, or 0."""

    slot_of: NDArray[np.int32]
    ids: NDArray[np.int32]
    weights: NDArray[np.int64]
    forward: NDArray[np.int64]
    fading: NDArray[np.float32]
    sizes: NDArray[np.int32]
    plays: NDArray[np.int64]


class Popular(NamedTuple):
    """Trending tracks, most played first: one row per market. Row 0 is the world.

    `row_of` is indexed by the market's id and holds row + 1, or 0.
    """

    ids: NDArray[np.int32]
    scores: NDArray[np.float64]
    sizes: NDArray[np.int32]
    row_of: NDArray[np.int32]


class Rates(NamedTuple):
    """How the past is weighed, and how fast rankers learn; settings feed them."""

    decay: float = 0.8  # what each older track of a session counts of the one after it
    learning_rate: float = 0.2  # a step of the rankers


class Exploring(NamedTuple):
    """How often a `discover` list explores, and how often by each strategy if it does."""

    share: float = 0.0
    near: float = 1 / 3
    new: float = 1 / 3
    trending: float = 1 / 3


class ServingRules(NamedTuple):
    """What lists are made without, or with less of, and how what they are made from counts."""

    filtered: bool  # without the track just played
    left_out: int  # the source that says nothing; NOTHING or EVERYTHING: none or all of them
    artist_tracks_max: int  # tracks of one artist in a list, spread; 0: as many as there are
    rates: Rates
    exploring: Exploring


class Scene(NamedTuple):
    """What lists are made from besides the listener. Nothing in it changes during a call."""

    rows: RowSource
    popular: Popular
    taste: Taste
    content: Content
    audio: Audio
    hashes: NDArray[np.uint32]
    artists: NDArray[np.int32]  # of a track, by id; 0 if unknown
    rules: ServingRules


@kernel
def left_out_of(scene: Scene, left_out: int) -> Scene:
    """The same scene with another source left out."""
    had = scene.rules
    kept = had.artist_tracks_max, had.rates, had.exploring
    rules = ServingRules(had.filtered, left_out, *kept)
    popular, taste, content, audio = scene.popular, scene.taste, scene.content, scene.audio
    return Scene(scene.rows, popular, taste, content, audio, scene.hashes, scene.artists, rules)


@kernel
def market_row(popular: Popular, market: int) -> int:
    """The row of a market whose trends are known, or the world's."""
    row = popular.row_of[market] - 1
    return int(row) if row >= 0 and popular.sizes[row] > 0 else 0
