"""Neighbour rows of other partitions, held for a moment by the worker that makes lists.

A row is asked for again once it is older than the time to live; that most rows come back unchanged
is cheap, since equal bytes are not decoded again. Places are given in a ring: a new row takes the
place of the one that came longest ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.serving import RowSource
from models.recommend.neighbours import PUBLISHED_NEIGHBOURS, RowColumns, TopRows
from models.recommend.vocabulary import Vocabulary
from schemas.outputs import decode_similar

__all__ = ["RowCache"]

_NEVER: Final = float("-inf")
_DECODED: Final = b""  # equal to no bytes of a row


class RowCache:
    """At most `rows_max` rows; about 1.5 KB each. `now_s` is the caller's monotonic clock.

    `rows_max` should hold the context of a batch: five tracks for each of its listeners.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, rows_max: int = 50_000, ttl_s: float = 0.25
    ) -> None:
        self.vocabulary = vocabulary
        self._ttl_s = ttl_s
        self._owner: list[str] = []
        self._raw: list[bytes | None] = []
        self._place: dict[str, int] = {}
        self._fetched_s: dict[str, float] = {}
        self._following = 0
        self._slot_of = np.zeros(vocabulary.capacity, np.int32)
        self._tracks = np.zeros(rows_max, np.int32)
        self._ids = np.zeros((rows_max, PUBLISHED_NEIGHBOURS), np.int32)
        self._weights = np.zeros((rows_max, PUBLISHED_NEIGHBOURS), np.int64)
        self._sizes = np.zeros(rows_max, np.int32)
        self._plays = np.zeros(rows_max, np.int64)
        vocabulary.register(self)

    def __len__(self) -> int:
        return len(self._place)

    @property
    def source(self) -> RowSource:
        """The rows in place. Holds until the next call."""
        return RowSource(self._places(), self._ids, self._weights, self._sizes, self._plays)

    def missing(self, names: Iterable[str], now_s: float) -> list[str]:
        """Which of the tracks must be fetched: never seen, or older than the time to live."""
        get, oldest_s = self._fetched_s.get, now_s - self._ttl_s
        return [name for name in names if get(name, _NEVER) <= oldest_s]

    def put(self, name: str, row: bytes | None, now_s: float) -> None:
        """Keep a track's row as fetched (SimilarTracks as JSON); None says that it has none.

        Raises ValueError on anything else.
        """
        place = self._place.get(name)
        if place is not None and self._raw[place] == row:
            self._fetched_s[name] = now_s
            return
        columns = None if row is None else _columns(row)
        self.put_columns(name, columns, now_s)
        self._raw[self._place[name]] = row

    def put_columns(self, name: str, columns: RowColumns | None, now_s: float) -> None:
        """Keep a row that is decoded already; None says that the track has none."""
        self.vocabulary.sweep_if_due()
        place = self._place.get(name)
        place = self._take_place(name) if place is None else place
        self._raw[place] = _DECODED
        self._fetched_s[name] = now_s
        self._sizes[place] = 0
        if columns is None:
            return
        ids = self.vocabulary.intern(columns.names[:PUBLISHED_NEIGHBOURS])
        size = len(ids)
        self._plays[place] = columns.plays
        self._ids[place, :size] = ids
        self._weights[place, :size] = columns.weights[:size]
        self._sizes[place] = size

    def put_own(self, names: Sequence[str], rows: TopRows, now_s: float) -> None:
        """Keep rows that this process holds itself; their ids are of this cache's vocabulary."""
        self.vocabulary.sweep_if_due()
        get = self._place.get
        found = [get(name) for name in names]
        places = [
            self._take_place(name) if place is None else place
            for name, place in zip(names, found, strict=True)
        ]
        self._ids[places] = rows.ids
        self._weights[places] = rows.weights
        self._sizes[places] = rows.sizes
        self._plays[places] = rows.plays
        self._fetched_s.update(dict.fromkeys(names, now_s))
        for place in places:
            self._raw[place] = _DECODED

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this cache holds, for the vocabulary's sweep."""
        used = len(self._owner)
        return [self._ids[:used], self._tracks[:used]]

    def _take_place(self, name: str) -> int:
        track = self.vocabulary.id(name)
        place = self._following
        self._following = (place + 1) % len(self._tracks)
        if place == len(self._owner):
            self._owner.append(name)
            self._raw.append(None)
        else:
            old = self._owner[place]
            del self._place[old], self._fetched_s[old]
            self._places()[self._tracks[place]] = 0
            self._owner[place] = name
        self._place[name] = place
        self._tracks[place] = track
        self._places()[track] = place + 1
        return place

    def _places(self) -> NDArray[np.int32]:
        """Place + 1 by track id, as long as the vocabulary."""
        if len(self._slot_of) < self.vocabulary.capacity:
            grown = np.zeros(self.vocabulary.capacity, np.int32)
            grown[: len(self._slot_of)] = self._slot_of
            self._slot_of = grown
        return self._slot_of


def _columns(row: bytes) -> RowColumns:
    similar = decode_similar(row)
    return RowColumns(similar.plays, similar.track_ids, np.array(similar.scores, np.int64))
