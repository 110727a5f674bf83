"""What tracks sound like, in a worker: their nearest tracks by sound, bounded and small.

Every worker holds all of it, up to a limit; it comes from the topic `audio-neighbours` and goes
with the process. About 180 bytes a track, beside the names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.audio import Audio, drop_audio, new_audio, put_audio
from models.recommend.kernels.slots import EVICTED, FREE, USED
from models.recommend.vocabulary import Vocabulary
from schemas.audio import NEIGHBOURS_MAX, AudioNeighbours

__all__ = ["Sounds"]


class Sounds:
    """The audio neighbours of tracks.

    `tracks_max` bounds the tracks; then the one whose record came longest ago is forgotten. Records
    and deletions are applied in the order of their topic, and may come again.

    >>> from schemas.audio import AudioNeighbour
    >>> sounds = Sounds(Vocabulary())
    >>> sounds.put([AudioNeighbours("t1", (AudioNeighbour("t2", 0.5),))])
    >>> sounds.neighbours("t1")
    [('t2', 0.5)]
    """

    def __init__(self, vocabulary: Vocabulary, tracks_max: int = 1_000_000) -> None:
        if tracks_max < 1:
            raise ValueError("tracks_max is at least 1")
        self.vocabulary = vocabulary
        self._arrays = new_audio(tracks_max, NEIGHBOURS_MAX)
        vocabulary.register(self)

    def __len__(self) -> int:
        return int(self._arrays.counters[USED] - self._arrays.counters[FREE])

    @property
    def evictions(self) -> int:
        """Tracks that gave way to others, since the start."""
        return int(self._arrays.counters[EVICTED])

    @property
    def audio(self) -> Audio:
        """What is known, in place. Holds until the next call that changes anything."""
        if len(self._arrays.audio.slot_of) > 1:
            self._grow()
        return self._arrays.audio

    def put(self, found: Sequence[AudioNeighbours]) -> None:
        """Set the neighbours of tracks, in order. O(neighbours)."""
        if not found:
            return
        self.vocabulary.sweep_if_due()
        rows = [one.neighbours[:NEIGHBOURS_MAX] for one in found]  # kernels check no bounds
        each = [neighbour for row in rows for neighbour in row]
        tracks = self.vocabulary.intern([one.track_id for one in found])
        ids = self.vocabulary.intern([neighbour.track_id for neighbour in each])
        sizes = np.array([*map(len, rows)], np.int32)
        similarities = np.array([neighbour.similarity for neighbour in each], np.float32)
        self._grow()
        put_audio(self._arrays, tracks, sizes, ids, similarities)

    def delete(self, track_ids: Sequence[str]) -> None:
        """Forget what tracks sound like. What is not known is none."""
        if len(self) == 0:
            return
        self._grow()
        tracks = np.array([*map(self.vocabulary.find, track_ids)], np.int32)
        drop_audio(self._arrays, tracks)

    def neighbours(self, track_id: str) -> list[tuple[str, float]]:
        """The nearest tracks of a track and how alike they sound, the most similar first."""
        if len(self) == 0:
            return []
        audio = self.audio
        slot = int(audio.slot_of[self.vocabulary.find(track_id)]) - 1
        if slot < 0:
            return []
        size = audio.sizes[slot]
        names = self.vocabulary.objects[audio.ids[slot, :size]].tolist()
        return [*zip(names, audio.similarities[slot, :size].tolist(), strict=True)]

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this holds, for the vocabulary's sweep."""
        held = self._arrays.counters[USED]
        return [self._arrays.owner[:held], self._arrays.audio.ids[:held]]

    def _grow(self) -> None:
        """Make what is by id as long as the vocabulary; until the first record it is not."""
        audio = self._arrays.audio
        audio = audio._replace(slot_of=self.vocabulary.stretched(audio.slot_of))
        self._arrays = self._arrays._replace(audio=audio)
