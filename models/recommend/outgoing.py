"""What stage A sends on: sums become frames, one per destination, each name written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.counting import Sums
from models.recommend.kernels.discovering import Discoveries
from models.recommend.kernels.embedding import BEFORE_TRACKS
from models.recommend.kernels.erasing import GIVEN_SUMS_MAX, sum_given
from models.recommend.kernels.grouping import by_first, localise
from models.recommend.kernels.listener import ListenerArrays
from models.recommend.kernels.listening import IN_TURN
from models.recommend.kernels.table import Table
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.discoveries import DiscoveriesFrame
from schemas.frames import PairsFrame, TrendCountsFrame

__all__ = ["Outbox"]

_ERASED_ROOM: Final = 1 << 11
_DISCOVERIES_MAX: Final = 4096
"""Between two flushes: 8,000 a second of each partition. Under more the embedding learns from some,
as from all of a smaller service."""


Named = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Tracks and their artists."""


class Outbox:
    """Sums of pairs, plays and trend counts since the last drain.

    A sum of two tracks in turn stands for both rows: in that of the first it came after, in that
    of the second before. The sum of a track with itself is its plays. Rows of artists and
    albums alone gain by their tracks. What erased listeners gave is summed apart, to be taken back.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.pairs = Sums()
        self.trends = Sums()
        self.erased = Sums(_ERASED_ROOM)
        self.discoveries = _new_discoveries()
        self._vocabulary = vocabulary
        self._partition = np.zeros(0, np.int32)  # + 1, by id
        self._generation = -1
        self._scratch = np.zeros(0, np.int32)
        self._named: list[Named] = []
        self._spare: Outbox | None = None
        self._leaving: list[NDArray[np.int32]] = []

    @property
    def tables(self) -> tuple[Table, Table, Discoveries]:
        """Where a kernel puts what it has to say."""
        return self.pairs.table, self.trends.table, self.discoveries

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Ids in sums that wait."""
        found = self.discoveries
        count = int(found.used[0])
        before = found.before[:count][_filled(found.size[:count])]
        sums = self.pairs.used_ids() + self.trends.used_ids() + self.erased.used_ids()
        named = [ids for columns in self._named for ids in columns]
        return [*sums, found.track[:count], before, *named, *self._leaving]

    def take(self) -> Outbox:
        """All that waits, to be drained before the next call: beside what comes meanwhile, in
        another thread even."""
        taken = self._spare or Outbox(self._vocabulary)
        for name in ("pairs", "trends", "erased", "discoveries", "_named"):
            ours, theirs = getattr(self, name), getattr(taken, name)
            setattr(self, name, theirs)
            setattr(taken, name, ours)
        self._spare, self._leaving = taken, taken.used_ids()
        return taken

    def name_artists(self, tracks: NDArray[np.int32], artists: NDArray[np.int32]) -> None:
        """Let the next frames say who tracks are by; of one that comes twice, the last word."""
        if len(tracks):
            self._named.append((tracks, artists))

    def erase(self, arrays: ListenerArrays, slot: int, albums: NDArray[np.int32]) -> None:
        """Take back what the retained plays of a listener gave. O(plays retained).

        `albums` are those of the recent tracks, 0 where there is none.
        """
        self.erased.reserve(GIVEN_SUMS_MAX)
        sum_given(arrays, slot, albums, self.erased.table)

    def drain_pairs(self, partition_of: Callable[[str], int]) -> dict[int, PairsFrame]:
        """One frame per partition of the left track, ascending; its pairs sorted by left track.

        `partition_of` is asked once per track and must always say the same. O(sums).
        """
        named, self._named = self._named, []
        return self._frames(self.pairs, partition_of, named)

    def drain_erased(self, partition_of: Callable[[str], int]) -> dict[int, PairsFrame]:
        """The same of what is to be taken back. It goes after what `drain_pairs` gives."""
        frames = self._frames(self.erased, partition_of)
        return {number: replace(frame, erased=True) for number, frame in frames.items()}

    def _frames(
        self, sums: Sums, partition_of: Callable[[str], int], named: Sequence[Named] = ()
    ) -> dict[int, PairsFrame]:
        key, kind, total = sums.drain()
        if not len(key):
            return {}
        first, second = (key >> 32).astype(np.int32), (key & 0xFFFFFFFF).astype(np.int32)
        turned = (first != second) & (kind == IN_TURN)
        left = np.concatenate((first, second[turned]))
        right = np.concatenate((second, first[turned]))
        amount = np.concatenate((total, total[turned]))
        forward = np.zeros(len(left), np.uint8)
        forward[: len(first)] = turned
        partition = self._partitions(left, partition_of)
        order = np.argsort(partition, kind="stable")
        partitions, starts = _runs(partition[order])
        left, right = left[order], right[order]
        # The artist of each track played, and where there is none, what is named anyway.
        artist = np.where(left == right, self._artists_of(left, named), NO_NAME)
        ids = np.stack((left, right, np.where(artist == NO_NAME, left, artist)), axis=1)
        local, distinct, begins = localise(starts, ids, self._scratch_for())
        # Entries of one row together: its owner finds the row once, and still in its cache.
        together = by_first(starts, local, begins)
        local, order = local[together], order[together]
        amount, forward = amount[order], forward[order]
        frames = {}
        for g, number in enumerate(partitions):
            part = slice(starts[g], starts[g + 1])
            names = self._names(distinct[begins[g] : begins[g + 1]])
            frames[number] = _pairs_frame(names, local[part], amount[part], forward[part])
        return frames

    def drain_trend_counts(self) -> list[TrendCountsFrame]:
        """One frame per market, `world` among them. O(sums)."""
        key, minute, total = self.trends.drain()
        if not len(key):
            return []
        market = (key >> 32).astype(np.int32)
        order = np.argsort(market, kind="stable")
        markets, starts = _runs(market[order])
        ids = (key[order] & 0xFFFFFFFF).astype(np.int32).reshape(-1, 1)
        local, distinct, begins = localise(starts, ids, self._scratch_for())
        minute, count = minute[order], total[order].astype(np.int32)
        frames = []
        for g, market_id in enumerate(markets):
            part = slice(starts[g], starts[g + 1])
            names = self._names(distinct[begins[g] : begins[g + 1]])
            market_name = self._vocabulary.names[market_id]
            track = np.ascontiguousarray(local[part, 0])
            frames.append(TrendCountsFrame(market_name, names, track, minute[part], count[part]))
        frames.sort(key=lambda frame: frame.market)
        return frames

    def drain_discoveries(self) -> DiscoveriesFrame | None:
        """All discoveries that wait, in order; None if there are none."""
        found = self.discoveries
        count = int(found.used[0])
        if count == 0:
            return None
        found.used[0] = 0
        size = found.size[:count].copy()
        before = found.before[:count][_filled(size)]
        used, index = np.unique(np.concatenate((found.track[:count], before)), return_inverse=True)
        track, before = np.split(index.astype(np.int32), [count])
        return DiscoveriesFrame(self._names(used), track, size, before)

    def _artists_of(self, tracks: NDArray[np.int32], named: Sequence[Named]) -> NDArray[np.int32]:
        """The artist each track was named with, or none.

        Not what else the process knows of it: what is sent must follow from the plays alone.
        """
        scratch = self._scratch_for()
        for played, artists in named:
            scratch[played] = artists
        found = scratch[tracks]
        for played, _ in named:
            scratch[played] = 0
        return found

    def _names(self, ids: NDArray[np.int32]) -> list[str]:
        names = self._vocabulary.names
        return [names[index] for index in ids.tolist()]

    def _scratch_for(self) -> NDArray[np.int32]:
        """Zeros, as long as the vocabulary; who writes into them sets them to 0 again."""
        self._scratch = self._vocabulary.stretched(self._scratch)
        return self._scratch

    def _partitions(
        self, ids: NDArray[np.int32], partition_of: Callable[[str], int]
    ) -> NDArray[np.int32]:
        """The partition of each id. A name's is asked for once, until its id may mean another."""
        vocabulary = self._vocabulary
        if self._generation != vocabulary.generation:
            self._partition = np.zeros(0, np.int32)
            self._generation = vocabulary.generation
        self._partition = vocabulary.stretched(self._partition)
        unknown = ids[self._partition[ids] == 0]
        for index in np.unique(unknown).tolist():
            self._partition[index] = partition_of(vocabulary.names[index]) + 1
        return self._partition[ids] - 1


def _new_discoveries() -> Discoveries:
    return Discoveries(
        track=np.zeros(_DISCOVERIES_MAX, np.int32),
        size=np.zeros(_DISCOVERIES_MAX, np.int32),
        before=np.zeros((_DISCOVERIES_MAX, BEFORE_TRACKS), np.int32),
        used=np.zeros(1, np.int64),
    )


def _filled(size: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which places of `before` are taken."""
    return np.arange(BEFORE_TRACKS) < size[:, None]


def _runs(values: NDArray[np.int32]) -> tuple[list[int], NDArray[np.int64]]:
    """The distinct values of a sorted array, and where each begins, with the end last."""
    distinct, first = np.unique(values, return_index=True)
    return distinct.tolist(), np.append(first, len(values)).astype(np.int64)


def _pairs_frame(
    names: list[str],
    local: NDArray[np.int32],  # left, right and artist
    amount: NDArray[np.int64],
    forward: NDArray[np.uint8],
) -> PairsFrame:
    plays = local[:, 0] == local[:, 1]
    pairs = ~plays
    return PairsFrame(
        names,
        play_track=local[plays, 0],
        play_artist=local[plays, 2],
        play_count=amount[plays].astype(np.int32),
        left=local[pairs, 0],
        right=local[pairs, 1],
        weight=amount[pairs],
        forward=forward[pairs],
    )
