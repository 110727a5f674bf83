"""References of the last batches: negatives that cost no forward pass.

An encoder changes slowly once it has learned a little, so vectors of some batches ago are nearly
those that it would give now (Wang et al., Cross-Batch Memory for Embedding Learning, 2020).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from models.fingerprint.network import DIMENSIONS

__all__ = ["Memory"]

_APART_S: Final = 1.0  # nearer seconds of a recording are no negatives of each other


class Memory:
    """The last `size` vectors, and where in the music each is: recording and second."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors, self._places = torch.zeros(0, DIMENSIONS), torch.zeros(0, 2)

    def add(self, vectors: Tensor, places: Tensor) -> None:
        """Remember vectors (n, 128) of places (n, 2); the oldest go."""
        self._vectors = torch.cat((self._vectors, vectors))[-self._size :]
        self._places = torch.cat((self._places, places))[-self._size :]

    def negatives(self, queries: Tensor, places: Tensor) -> Tensor:
        """How alike queries (n, 128) and what is remembered are; -inf where they overlap."""
        alike = queries @ self._vectors.T
        same = places[:, None, 0] == self._places[None, :, 0]
        near = (places[:, None, 1] - self._places[None, :, 1]).abs() < _APART_S
        return alike.masked_fill(same & near, -torch.inf)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"vectors": self._vectors, "places": self._places}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self._vectors, self._places = state["vectors"], state["places"]
