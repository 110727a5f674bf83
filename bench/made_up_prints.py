"""Prints that no recording has, as hard to tell apart as prints can be.

Vectors of a track lean a little to a direction of its own (.1 of their squared length) and change
from one to the next (.7 stays); apart from that they point anywhere. Encoders that learn by
contrast spread their vectors like this, which leaves inverted lists little to go by.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import DIMENSIONS, Print, expanded, narrowed

__all__ = ["PER_TRACK", "QUERY_LIKENESS", "made_up_prints", "made_up_queries"]

PER_TRACK = 600
QUERY_LIKENESS = 0.69
_TRACKS_AT_ONCE = 100
_OF_TRACK, _STAYS = 0.1, 0.7


def made_up_prints(tracks: int, seed: int) -> Iterator[Print]:
    """As many prints of 150 seconds, without peaks."""
    rng = np.random.default_rng(seed)
    none = np.empty(0, np.int32)
    for at in range(0, tracks, _TRACKS_AT_ONCE):
        for vectors in narrowed(_unit(_walks(rng, min(_TRACKS_AT_ONCE, tracks - at)))):
            yield Print(vectors, none, none.astype(np.uint8), PER_TRACK / 4)


def made_up_queries(vectors: NDArray[np.int8], seed: int) -> NDArray[np.float32]:
    """Vectors at cosine .69 of these (n, 128): what a disguise leaves."""
    rng = np.random.default_rng(seed)
    clean = _unit(expanded(vectors))
    noise = rng.normal(size=clean.shape).astype(np.float32)
    noise = _unit(noise - np.sum(noise * clean, axis=-1, keepdims=True) * clean)
    mixed: NDArray[np.float32] = QUERY_LIKENESS * clean + (1 - QUERY_LIKENESS**2) ** 0.5 * noise
    return mixed.astype(np.float32)


def _walks(rng: np.random.Generator, tracks: int) -> NDArray[np.float32]:
    def drawn() -> NDArray[np.float32]:
        return rng.standard_normal((tracks, DIMENSIONS), np.float32)

    found = np.empty((tracks, PER_TRACK, DIMENSIONS), np.float32)
    own, now = drawn(), drawn()
    for i in range(PER_TRACK):
        found[:, i] = _OF_TRACK**0.5 * own + (1 - _OF_TRACK) ** 0.5 * now
        now = _STAYS * now + np.float32((1 - _STAYS**2) ** 0.5) * drawn()
    return found


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return found
