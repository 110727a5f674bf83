"""Stage B: each track's plays and its row of neighbours, for the tracks of one partition.

A row holds at most 60 neighbours, the heaviest first. Weights are whole numbers and only added
(those of early skips are negative), so a row does not depend on the order of what it learned, until
it is full: then a new neighbour takes
the place of the last one, whatever its own weight, and starts with what this increment gives it.
(Counting on from the weight of the one that left, as Space-Saving does, would give newcomers weight
that no listener gave.) When all slots are taken, the track used longest ago is evicted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.catalogue import Catalogue
from models.recommend.changing import SLICE_RECORDS, Records
from models.recommend.kernels.erasing import take_back
from models.recommend.kernels.ring import link_newest, take_dirty
from models.recommend.kernels.rows import (
    DROPPED,
    ROW_COUNTERS,
    UNPUBLISHED,
    Journal,
    RowArrays,
    admit_row,
    clear_row,
    learn_rows,
)
from models.recommend.kernels.scene import RowSource
from models.recommend.kernels.slots import DIRTY, EVICTED, FREE, USED
from models.recommend.neighbour_records import NeighbourColumns, decode_neighbours
from models.recommend.track_slots import TrackSlots
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.frames import PairsFrame

__all__ = ["PUBLISHED_NEIGHBOURS", "ROW_NEIGHBOURS", "NeighbourState", "RowColumns"]

ROW_NEIGHBOURS: Final = 60
PUBLISHED_NEIGHBOURS: Final = 50


@dataclass(frozen=True, slots=True)
class RowColumns:
    """A track's plays and its neighbours, heaviest first.

    `forward` is the part of a weight that was played after the track; `fading` is weight that
    halves every 8 plays of the track. `artist` is as the track's last play to name one did, folded
    and marked; empty if none did.
    """

    plays: int
    names: list[str]
    weights: NDArray[np.int64]
    forward: NDArray[np.int64]
    fading: NDArray[np.float32]
    artist: str = ""


class NeighbourState:
    """The rows of one partition. A `KeyedState` whose keys are track ids.

    `tracks_max` bounds the tracks; a track takes 1.5 KB of memory once used, names apart. Who a
    track is by, when nobody's plays say it any more, is what `catalogue` says.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tracks_max: int = 100_000,
        catalogue: Catalogue | None = None,
    ) -> None:
        if tracks_max < 1:
            raise ValueError("tracks_max is at least 1")
        self._catalogue = Catalogue(vocabulary, 1) if catalogue is None else catalogue
        self.vocabulary = vocabulary
        self._rows = _new_rows(tracks_max)
        self._slots = TrackSlots(vocabulary)
        self._unpublished: deque[int] = deque()
        self._withdrawn: dict[str, None] = {}
        self._saving: NeighbourColumns | None = None
        vocabulary.register(self)

    def __len__(self) -> int:
        return int(self._rows.counters[USED] - self._rows.counters[FREE])

    @property
    def evictions(self) -> int:
        """Tracks that gave way to others, since the start."""
        return self._slots.evictions

    @property
    def dropped(self) -> int:
        """Neighbours that gave way to others in full rows, since the start."""
        return int(self._rows.counters[DROPPED])

    @property
    def source(self) -> RowSource:
        """The rows in place, for a recommender in the same process. Holds until the next call."""
        rows = self._rows
        return RowSource(
            self._slots.places,
            rows.ids,
            rows.weights,
            rows.forward,
            rows.fading,
            rows.sizes,
            rows.plays,
        )

    def learn(self, columns: PairsFrame) -> None:
        """Add a frame's plays and weights, or take them back. O(entries), 60 steps each."""
        self.vocabulary.sweep_if_due()
        ids = self.vocabulary.intern(columns.names)
        entries = len(columns.left) + len(columns.play_track)
        journal = Journal(np.empty(entries, np.int32), np.empty(entries, np.int32))
        counters = self._rows.counters
        counters[EVICTED] = counters[UNPUBLISHED] = 0
        change_rows = take_back if columns.erased else learn_rows
        change_rows(
            self._rows,
            self._slots.places,
            (ids[columns.play_track], np.array(columns.play_count, np.int64)),
            (
                ids[columns.left],
                ids[columns.right],
                np.array(columns.weight, np.int64),
                columns.forward,
            ),
            self.vocabulary.hash32,
            journal,
        )
        self._unpublished.extend(journal.unpublished[: counters[UNPUBLISHED]].tolist())
        self._slots.note_evicted(journal.evicted[: counters[EVICTED]])
        if columns.erased:
            self._withdraw_empty(columns.names)
            return
        named = columns.play_artist != columns.play_track
        self._name_artists(ids[columns.play_track[named]], ids[columns.play_artist[named]])

    def row(self, track_id: str, k: int = ROW_NEIGHBOURS) -> RowColumns | None:
        """A track's plays and its k heaviest neighbours, or None if the track is not held."""
        slot = self._slots.find(track_id)
        return None if slot is None else self._columns(np.array([slot], np.int32), k)[0][1]

    @property
    def unpublished(self) -> int:
        """How many rows wait to be published, at most."""
        return len(self._unpublished)

    def drain_published(self, limit: int) -> list[tuple[str, RowColumns]]:
        """At most `limit` rows changed since they were last drained, the longest waiting first.

        Each comes with its 50 heaviest neighbours above 0. An evicted track's row is not withdrawn:
        what was published of it expires.
        """
        waiting, flags = self._unpublished, self._rows.unpublished
        slots: list[int] = []
        while waiting and len(slots) < limit:
            slot = waiting.popleft()
            if flags[slot]:  # else its track was evicted, or it came twice
                flags[slot] = 0
                slots.append(slot)
        return self._columns(np.array(slots, np.int32), PUBLISHED_NEIGHBOURS, shown=True)

    def drain_withdrawn(self) -> list[str]:
        """Rows of which nothing was left after an erasure: what was published of them is to go."""
        withdrawn = [name for name in self._withdrawn if self._slots.find(name) is None]
        self._withdrawn = {}
        return withdrawn

    def mark_all_published_dirty(self) -> None:
        """Publish every row again: what was published is lost."""
        slots = np.flatnonzero(self._rows.owner[: self._rows.counters[USED]])
        self._rows.unpublished[slots] = 1
        self._unpublished = deque(slots.tolist())

    def changes(self) -> Records:
        """All of `change_slices` at once."""
        return [*chain.from_iterable(self.change_slices())]

    def change_slices(self) -> Iterator[Records]:
        """Drain evicted tracks, then changed ones, used longest ago first.

        The records are as of this call, whatever is learned until they are taken; take all of them
        before the next call.
        """
        gone = self._slots.drain_gone()
        rows = self._rows
        dirty = take_dirty(rows.links, rows.dirty, int(rows.counters[DIRTY]))
        rows.counters[DIRTY] = 0
        self._saving = NeighbourColumns.copy(rows, dirty)
        return chain([gone], self._encoded(self._saving))

    def _encoded(self, columns: NeighbourColumns) -> Iterator[Records]:
        for start in range(0, len(columns.owner), SLICE_RECORDS):
            yield columns.part(start, start + SLICE_RECORDS).encode(self.vocabulary.objects)
        self._saving = None

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set one row to a record of `changes`. Raises ValueError on bytes it cannot read.

        The row is not marked for publishing: it was published when it was written.
        """
        track_id, rows = key.decode(), self._rows
        if value is None:
            self._forget(track_id)
            return
        plays, columns, (artist, *names) = decode_neighbours(value)
        self.vocabulary.sweep_if_due()
        ids = self.vocabulary.intern([track_id, *names])[: ROW_NEIGHBOURS + 1]
        by = self.vocabulary.intern([artist])
        evicted = np.zeros(1, np.int32)
        rows.counters[EVICTED] = 0
        slot = admit_row(rows, self._slots.places, int(ids[0]), evicted)
        link_newest(rows.links, slot)
        size = len(ids) - 1
        order = np.lexsort((self.vocabulary.hash32[ids[1:]], -columns[0][:size]))
        rows.plays[slot] = plays
        rows.sizes[slot] = size
        rows.ids[slot, :size] = ids[1:][order]
        weights, forward, fading = (column[:size][order] for column in columns)
        rows.weights[slot, :size] = weights
        rows.forward[slot, :size] = forward
        rows.fading[slot, :size] = fading
        rows.artist[slot] = NO_NAME
        if artist:
            self._name_artists(ids[:1], by)
        self._slots.note_evicted(evicted[: rows.counters[EVICTED]])

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this state holds, for the vocabulary's sweep."""
        used, saving = int(self._rows.counters[USED]), self._saving
        kept = () if saving is None else (saving.ids, saving.owner, saving.artist)
        rows = self._rows
        return [rows.ids[:used], rows.owner[:used], rows.artist[:used], *kept]

    def _name_artists(self, tracks: NDArray[np.int32], artists: NDArray[np.int32]) -> None:
        """Note who the tracks are by: in their rows, and for whoever makes lists here."""
        slots = self._slots.places[tracks] - 1
        held = slots >= 0  # another track may have taken the place of one within its frame
        self._rows.artist[slots[held]] = artists[held]
        self.vocabulary.artist[tracks] = artists

    def _forget(self, track_id: str) -> None:
        slot = self._slots.find(track_id)
        if slot is not None:
            clear_row(self._rows, self._slots.places, slot)
            self._rows.free[self._rows.counters[FREE]] = slot
            self._rows.counters[FREE] += 1

    def _withdraw_empty(self, names: list[str]) -> None:
        """Forget the rows among `names` that nobody else gave anything to.

        Who they are by is then what the catalogue says.
        """
        for name in names:
            slot = self._slots.find(name)
            if slot is not None and not self._rows.plays[slot] and not self._rows.sizes[slot]:
                self._forget(name)
                track = np.array([self.vocabulary.find(name)])
                self.vocabulary.artist[track] = self._catalogue.artists(track)
                self._slots.note_gone(name)
                self._withdrawn[name] = None

    def _columns(
        self, slots: NDArray[np.int32], k: int, *, shown: bool = False
    ) -> list[tuple[str, RowColumns]]:
        """Rows by name; `shown`, without neighbours that were skipped more than played."""
        if not len(slots):
            return []
        rows, names = self._rows, self.vocabulary.names
        ids, weights = rows.ids[slots, :k], rows.weights[slots, :k]
        forward, fading = rows.forward[slots, :k], rows.fading[slots, :k]
        sizes = np.minimum(rows.sizes[slots], k)
        if shown:
            positive = (weights > 0) & (np.arange(weights.shape[1]) < sizes[:, None])
            sizes = positive.sum(axis=1)
        tracks = self.vocabulary.objects[ids].tolist()
        owners, plays = rows.owner[slots].tolist(), rows.plays[slots].tolist()
        artists = rows.artist[slots].tolist()
        return [
            (
                names[owners[i]],
                RowColumns(
                    plays[i],
                    tracks[i][:size],
                    weights[i, :size],
                    forward[i, :size],
                    fading[i, :size],
                    names[artists[i]],
                ),
            )
            for i, size in enumerate(sizes.tolist())
        ]


def _new_rows(tracks_max: int) -> RowArrays:
    return RowArrays(
        ids=np.zeros((tracks_max, ROW_NEIGHBOURS), np.int32),
        weights=np.zeros((tracks_max, ROW_NEIGHBOURS), np.int64),
        forward=np.zeros((tracks_max, ROW_NEIGHBOURS), np.int64),
        fading=np.zeros((tracks_max, ROW_NEIGHBOURS), np.float32),
        sizes=np.zeros(tracks_max, np.int32),
        plays=np.zeros(tracks_max, np.int64),
        owner=np.zeros(tracks_max, np.int32),
        artist=np.zeros(tracks_max, np.int32),
        links=np.zeros((tracks_max + 1, 2), np.int32),
        dirty=np.zeros(tracks_max, np.uint8),
        unpublished=np.zeros(tracks_max, np.uint8),
        free=np.zeros(tracks_max, np.int32),
        counters=np.zeros(ROW_COUNTERS, np.int64),
    )
