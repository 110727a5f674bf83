"""How unusual a listener's conduct is among all: River's half-space trees over drawn listeners.

Half-space trees (Tan, Ting and Liu 2011, "Fast anomaly detection for streaming data", IJCAI) halve
the space of features at random, count how many of the last window fell into each part, and call
unusual what falls where few did. A score is 1 - Σ mass · 2^depth / its maximum, from 0 to 1, over
trees of masses of the window before; there is none before the first window is full.

The score is shown, never acted on: what counts must follow from the listener's own plays.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.changing import Records
from models.recommend.kernels.conduct import FEATURES, SCORE
from models.recommend.kernels.listener import ListenerArrays
from models.recommend.kernels.listening import PlayColumns

__all__ = ["FOREST_KEY", "SCORE_UNIT", "ConductForest"]

FOREST_KEY: Final = b"\x01forest"
"""The key of the forest's record among those of listeners, whose ids hold no control characters."""
SCORE_UNIT: Final = 1_000_000

_TREES: Final = 10
_HEIGHT: Final = 6
_WINDOW: Final = 256
_SEED: Final = 2011
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBBHHB")  # version, trees, height, window, counter, first window?


class ConductForest:
    """The half-space trees of one partition. About 20 µs a look; 10 KB, in 5 KB of record.

    Trees follow from the seed, so a record holds masses alone: of each node, in depth-first order,
    that of the window before and of the one that fills, u16 each.
    """

    def __init__(self) -> None:
        self._looks = 0  # not in the changelog yet

    @cached_property
    def _trees(self) -> Any:  # Any: River types some of its methods only
        """River's trees. The import takes a second, so `warm` does it before anybody waits."""
        from river.anomaly import HalfSpaceTrees

        trees: Any = HalfSpaceTrees(_TREES, _HEIGHT, _WINDOW, seed=_SEED)
        trees.learn_one(dict.fromkeys(range(FEATURES), 0.0))  # makes its nodes
        _set(trees, np.zeros((2, len(_nodes(trees))), np.uint16), counter=0, first=True)
        return trees

    def look(self, arrays: ListenerArrays, plays: PlayColumns, count: int) -> list[float]:
        """Look at the first `count` listeners drawn, and note their scores; those there are."""
        slots, rows = plays.sampled[:count].tolist(), plays.features[:count].tolist()
        scores = [self.score(row) for row in rows]
        for slot, score in zip(slots, scores, strict=True):
            arrays.conduct[slot, SCORE] = score
        return [score / SCORE_UNIT for score in scores if score]

    def score(self, features: Sequence[float]) -> int:
        """How unusual it is against the window before, in millionths, at least 1; then learn it.

        0 while there is no window before.
        """
        named = dict(enumerate(features))  # River takes features by name
        known = not self._trees._first_window
        score = max(1, round(SCORE_UNIT * self._trees.score_one(named))) if known else 0
        self._trees.learn_one(named)
        self._looks += 1
        return score

    def changes(self) -> Records:
        """The record of the masses, if something was looked at since the last call."""
        if not self._looks:
            return []
        self._looks = 0
        trees = self._trees
        masses = [(node.r_mass, node.l_mass) for node in _nodes(trees)]
        head = (_VERSION, _TREES, _HEIGHT, _WINDOW, trees.counter, trees._first_window)
        return [(FOREST_KEY, _HEAD.pack(*head) + np.array(masses, "<u2").T.tobytes())]

    def restore(self, value: bytes | None) -> None:
        """Go on from a record; from nothing without one, or if it is of other trees.

        Raises ValueError on bytes it cannot read.
        """
        self.__dict__.pop("_trees", None)
        if value is None:
            return
        if len(value) < _HEAD.size:
            raise ValueError("forest record is truncated")
        *shape, counter, first = _HEAD.unpack_from(value)
        if shape != [_VERSION, _TREES, _HEIGHT, _WINDOW]:
            return
        if len(value) != _HEAD.size + 4 * len(_nodes(self._trees)):
            raise ValueError("forest record is of another length than it says")
        masses = np.frombuffer(value, "<u2", -1, _HEAD.size).reshape(2, -1)
        _set(self._trees, masses, counter=counter, first=bool(first))


def _nodes(trees: Any) -> list[Any]:
    return [*chain(*(tree.iter_dfs() for tree in trees.trees))]


def _set(trees: Any, masses: NDArray[np.uint16], *, counter: int, first: bool) -> None:
    before, filling = masses.tolist()
    for node, r_mass, l_mass in zip(_nodes(trees), before, filling, strict=True):
        node.r_mass, node.l_mass = r_mass, l_mass
    trees.counter, trees._first_window = counter, first
