"""Which slot of a state's arrays each track is in, and whose slot was given to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommend.changing import Records
from models.recommend.vocabulary import NO_NAME, Vocabulary

__all__ = ["TrackSlots"]


class TrackSlots:
    """The slots of one state. Kernels give them, in `places`; what they evict is noted here."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.evictions = 0
        self._vocabulary = vocabulary
        self._slot_of = np.zeros(vocabulary.capacity, np.int32)
        self._gone: dict[str, None] = {}

    @property
    def places(self) -> NDArray[np.int32]:
        """Slot + 1 by track id, as long as the vocabulary; in place. Holds until it grows."""
        self._slot_of = self._vocabulary.stretched(self._slot_of)
        return self._slot_of

    def find(self, track_id: str) -> int | None:
        """The slot of a track, or None if it has none."""
        track = self._vocabulary.find(track_id)
        place = int(self.places[track])
        return None if track == NO_NAME or place == 0 else place - 1

    def note_evicted(self, tracks: NDArray[np.int32]) -> None:
        """Count tracks that gave way to others, and let the changelog know."""
        names = self._vocabulary.names
        self._gone.update((names[track], None) for track in tracks.tolist())
        self.evictions += len(tracks)

    def note_gone(self, track_id: str) -> None:
        """Let the changelog know of a track that was forgotten."""
        self._gone[track_id] = None

    def drain_gone(self) -> Records:
        """Of each track noted since the last call, unless it is held again, that it is gone."""
        gone, self._gone = self._gone, {}
        return [(name.encode(), None) for name in gone if self.find(name) is None]
