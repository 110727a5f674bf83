"""Neighbour rows that a worker makes lists of, held for a moment.

A row is asked for again once it is older than the time to live; that most rows of other workers
come back unchanged is cheap, since equal bytes are not decoded again. Places are given in a ring: a
new row takes the place of the one that came longest ago.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.scene import RowSource
from models.recommend.neighbours import PUBLISHED_NEIGHBOURS, RowColumns
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.frames import ARTIST_MARK
from schemas.outputs import decode_similar

__all__ = ["RowCache"]

_NEVER: Final = float("-inf")
_DECODED: Final = b""  # equal to no bytes of a row


class RowCache:
    """At most `rows_max` rows; about 1.3 KB each. `now_s` is the caller's monotonic clock.

    `rows_max` should hold what a poll needs: for each play five tracks and their artists, and its
    own track and artist. Rows beyond that are displaced before they are used: lists are then made
    without them. Tracks are given as ids of the vocabulary where names would cost time.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, rows_max: int = 50_000, ttl_s: float = 0.25
    ) -> None:
        self.vocabulary = vocabulary
        self._ttl_s = ttl_s
        self._used = 0
        self._following = 0
        self._raw: list[bytes | None] = [None] * rows_max
        self._fetched_s = np.full(rows_max, _NEVER)
        self._slot_of = np.zeros(vocabulary.capacity, np.int32)
        self._tracks = np.zeros(rows_max, np.int32)
        self._ids = np.zeros((rows_max, PUBLISHED_NEIGHBOURS), np.int32)
        self._weights = np.zeros((rows_max, PUBLISHED_NEIGHBOURS), np.int64)
        self._forward = np.zeros((rows_max, PUBLISHED_NEIGHBOURS), np.int64)
        self._fading = np.zeros((rows_max, PUBLISHED_NEIGHBOURS), np.float32)
        self._sizes = np.zeros(rows_max, np.int32)
        self._plays = np.zeros(rows_max, np.int64)
        vocabulary.register(self)

    def __len__(self) -> int:
        return self._used

    @property
    def source(self) -> RowSource:
        """The rows in place. Holds until the next call."""
        return RowSource(
            self._places(),
            self._ids,
            self._weights,
            self._forward,
            self._fading,
            self._sizes,
            self._plays,
        )

    def missing(self, tracks: NDArray[np.int32], now_s: float) -> NDArray[np.int32]:
        """Which of the tracks must be fetched: never seen, or older than the time to live."""
        places = self._places()[tracks]
        fresh = (places > 0) & (self._fetched_s[places - 1] > now_s - self._ttl_s)
        return tracks[~fresh]

    def put(self, name: str, row: bytes | None, now_s: float) -> None:
        """Keep a track's row as fetched (SimilarTracks as JSON); None says that it has none.

        Raises ValueError on anything else.
        """
        place = int(self._places()[self.vocabulary.find(name)]) - 1
        if place >= 0 and self._raw[place] == row:
            self._fetched_s[place] = now_s
            return
        columns = None if row is None else _columns(row)
        self._raw[self.put_columns(name, columns, now_s)] = row

    def put_columns(self, name: str, columns: RowColumns | None, now_s: float) -> int:
        """Keep a row that is decoded already; None says that the track has none. Returns where."""
        self.vocabulary.sweep_if_due()
        (place,) = self._take_places(self.vocabulary.intern([name])).tolist()
        self._raw[place] = _DECODED
        self._fetched_s[place] = now_s
        self._sizes[place] = 0
        if columns is not None:
            ids = self.vocabulary.intern(columns.names[:PUBLISHED_NEIGHBOURS])
            size = len(ids)
            self._plays[place] = columns.plays
            self._ids[place, :size] = ids
            self._weights[place, :size] = columns.weights[:size]
            self._forward[place, :size] = columns.forward[:size]
            self._fading[place, :size] = columns.fading[:size]
            self._sizes[place] = size
            self._note_artists(name, columns.artist, ids)
        return int(place)

    def put_own(
        self, tracks: NDArray[np.int32], rows: RowSource, now_s: float
    ) -> NDArray[np.int32]:
        """Keep those of the tracks' rows that `rows` of this process has; returns the others.

        Neighbours in `rows` stand heaviest first.
        """
        slots = rows.slot_of[tracks] - 1
        held = slots >= 0
        if held.any():
            kept = np.flatnonzero(held)[: len(self._tracks)]
            places, slots = self._take_places(tracks[kept]), slots[kept]
            self._ids[places] = rows.ids[slots, :PUBLISHED_NEIGHBOURS]
            self._weights[places] = rows.weights[slots, :PUBLISHED_NEIGHBOURS]
            self._forward[places] = rows.forward[slots, :PUBLISHED_NEIGHBOURS]
            self._fading[places] = rows.fading[slots, :PUBLISHED_NEIGHBOURS]
            self._sizes[places] = np.minimum(rows.sizes[slots], PUBLISHED_NEIGHBOURS)
            self._plays[places] = rows.plays[slots]
            self._fetched_s[places] = now_s
            for place in places.tolist():
                self._raw[place] = _DECODED
        return tracks[~held]

    def put_none(self, tracks: NDArray[np.int32]) -> None:
        """Note that these tracks have no row, or none any more."""
        places = self._places()[tracks]
        for place in (places[places > 0] - 1).tolist():
            self._sizes[place] = 0
            self._raw[place] = _DECODED

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this cache holds, for the vocabulary's sweep."""
        return [self._ids[: self._used], self._tracks[: self._used]]

    def _note_artists(self, name: str, artist: str, ids: NDArray[np.int32]) -> None:
        """Know the artist of a row's track, or of the tracks of an artist's row."""
        known, of = self.vocabulary.artist, self.vocabulary.id
        if name.startswith(ARTIST_MARK):
            known[ids[known[ids] == NO_NAME]] = of(name)  # another may have been named since
        elif artist:
            known[of(name)] = of(artist)

    def _take_places(self, tracks: NDArray[np.int32]) -> NDArray[np.int32]:
        """The places of distinct tracks, no more than there are; one may cost another its own."""
        while True:  # in a full ring a new one may take the place of another of them
            missing = tracks[self._places()[tracks] == 0]
            if not len(missing):
                return self._places()[tracks] - 1
            for track in missing.tolist():
                self._take_place(track)

    def _take_place(self, track: int) -> int:
        place, slot_of = self._following, self._places()
        self._following = (place + 1) % len(self._tracks)
        if place == self._used:
            self._used += 1
        else:
            slot_of[self._tracks[place]] = 0
        self._tracks[place] = track
        slot_of[track] = place + 1
        return place

    def _places(self) -> NDArray[np.int32]:
        """Place + 1 by track id, as long as the vocabulary."""
        self._slot_of = self.vocabulary.stretched(self._slot_of)
        return self._slot_of


def _columns(row: bytes) -> RowColumns:
    similar = decode_similar(row)
    none = [0] * len(similar.track_ids)  # an older version of us wrote no more than weights
    return RowColumns(
        similar.plays,
        similar.track_ids,
        np.array(similar.scores, np.int64),
        np.array(similar.after or none, np.int64),
        np.array(similar.lately or none, np.float32),
        ARTIST_MARK + similar.artist if similar.artist else "",
    )
