"""Kernel of stage A that notes what listeners discover, for the embedding to learn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.embedding import BEFORE_TRACKS
from models.recommend.kernels.listener import RECENT_COUNT, ListenerArrays
from models.recommend.kernels.rows import find

__all__ = ["Discoveries", "discover"]


class Discoveries(NamedTuple):
    """Plays of tracks new to their listeners that wait to be sent, while there is room."""

    track: NDArray[np.int32]
    size: NDArray[np.int32]
    before: NDArray[np.int32]  # the listener's distinct tracks before, newest first
    used: NDArray[np.int64]


@kernel
def discover(
    state: ListenerArrays, slot: int, track: int, new: int, discoveries: Discoveries
) -> None:
    """Note that a listener found a track, if it is new, after which others; if there is room."""
    recent, played = state.recent[slot], state.meta[slot, RECENT_COUNT]
    at = discoveries.used[0]
    if not new or played == 0 or at == len(discoveries.track):
        return
    before, size = discoveries.before[at], 0
    for p in range(played):
        if size == BEFORE_TRACKS:
            break
        if find(before, size, recent[p]) == size:
            before[size] = recent[p]
            size += 1
    discoveries.track[at] = track
    discoveries.size[at] = size
    discoveries.used[0] = at + 1
