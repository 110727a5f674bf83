"""What is played in one market: exact counts, and scores that forget by the time of the plays.

Forward decay (Cormode et al., "Forward decay: a practical time decay model for streaming systems",
2009): a play of minute b adds 2 ** ((b - landmark) / half_life), so an old play counts what it
would count had it come in time, and scores need no touch as time passes. The order of tracks is the
order of these sums at any moment; read at the market's newest minute they are decayed plays.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.trending import (
    DAY_HALF_LIFE,
    EXPONENT_MIN,
    HOUR_HALF_LIFE,
    MarketArrays,
    learn_counts,
    rebuild_places,
    take_slot,
)
from schemas.outputs import TrendWindow

__all__ = ["MarketTrend", "TrackTrend", "TrendColumns"]

_FRACTIONS: Final = (
    np.exp2(np.arange(HOUR_HALF_LIFE) / HOUR_HALF_LIFE),
    np.exp2(np.arange(DAY_HALF_LIFE) / DAY_HALF_LIFE),
)
_COLUMNS: Final = ("ids", "plays", "hour", "day", "dirty")
_START_ROOM: Final = 1024
_SMALLEST: Final = 2.0**EXPONENT_MIN
_NO_TIME: Final = -1


class TrackTrend(NamedTuple):
    """A track in a market: exact plays, and scores in units of the landmark (a minute)."""

    plays: int
    hour: float
    day: float
    landmark: int


class TrendColumns(NamedTuple):
    """Some tracks of a market, a row for each."""

    ids: NDArray[np.int32]
    plays: NDArray[np.int64]
    hour: NDArray[np.float64]
    day: NDArray[np.float64]
    landmark: int

    def part(self, start: int, end: int) -> list[tuple[int, TrackTrend]]:
        """Some of the rows: each track and its trend."""
        columns = (self.ids, self.plays, self.hour, self.day)
        return [
            (track, TrackTrend(plays, hour, day, self.landmark))
            for track, plays, hour, day in zip(
                *(column[start:end].tolist() for column in columns), strict=True
            )
        ]


class MarketTrend:
    """The tracks of one market, at most `tracks_max`.

    When a new track finds no slot, the eighth of all tracks with the least decayed plays of the day
    is evicted (equal ones: the larger hash first).
    """

    def __init__(self, tracks_max: int) -> None:
        self.newest = _NO_TIME
        self.landmark = 0
        self.arrays = _new_market(min(_START_ROOM, tracks_max))
        self._tracks_max = tracks_max

    def __len__(self) -> int:
        return int(self.arrays.used[0])

    @property
    def ids(self) -> NDArray[np.int32]:
        """The track of each slot."""
        return self.arrays.ids[: len(self)]

    def learn(
        self,
        columns: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]],
        hashes: NDArray[np.uint32],
    ) -> list[int]:
        """Add counts of (track, minute). Returns the tracks evicted for it."""
        self.move_to(int(columns[1].max()))
        evicted: list[int] = []
        done = 0
        while True:
            done = learn_counts(self.arrays, columns, self.landmark, _FRACTIONS, done)
            if done == len(columns[0]):
                return evicted
            evicted += self._make_room(hashes)

    def move_to(self, minute: int) -> None:
        """Make `minute` the newest, if it is. Scores follow the landmark exactly."""
        if minute <= self.newest:
            return
        landmark = minute // DAY_HALF_LIFE * DAY_HALF_LIFE
        if landmark > self.landmark:
            self._move_landmark(landmark)
        self.newest = minute

    def top(
        self, window: TrendWindow, k: int, hashes: NDArray[np.uint32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The k tracks with the highest scores above 0, as decayed plays at the newest minute."""
        used = len(self)
        scores = (self.arrays.hour if window == "hour" else self.arrays.day)[:used]
        if used > k:  # all that may be among the first k, ties included
            least = np.partition(scores, used - k)[used - k]
            candidates = np.flatnonzero(scores >= least)
        else:
            candidates = np.arange(used)
        ids = self.ids[candidates]
        order = np.lexsort((hashes[ids], -scores[candidates]))[:k]
        best = scores[candidates][order]
        order, best = order[best > 0], best[best > 0]
        half_life = HOUR_HALF_LIFE if window == "hour" else DAY_HALF_LIFE
        return ids[order], best * 2.0 ** ((self.landmark - self.newest) / half_life)

    def load(self, track: int, record: TrackTrend, hashes: NDArray[np.uint32]) -> list[int]:
        """Set a track to what was written of it. Returns the tracks evicted for it."""
        evicted: list[int] = []
        while (slot := take_slot(self.arrays, track)) < 0:
            evicted += self._make_room(hashes)
        if record.landmark > self.landmark:
            self._move_landmark(record.landmark)
        back = record.landmark - self.landmark
        self.arrays.plays[slot] = record.plays
        self.arrays.hour[slot] = _scaled(np.array(record.hour), back // HOUR_HALF_LIFE)
        self.arrays.day[slot] = _scaled(np.array(record.day), back // DAY_HALF_LIFE)
        return evicted

    def forget(self, track: int) -> None:
        """Drop one track, if it is held. O(tracks): for restoring only."""
        self._keep(self.ids != track)

    def take_changed(self) -> TrendColumns:
        """Drain the tracks changed since the last call: a copy of what they are now."""
        arrays = self.arrays
        dirty = np.flatnonzero(arrays.dirty[: len(self)])
        arrays.dirty[dirty] = 0
        return TrendColumns(
            arrays.ids[dirty],
            arrays.plays[dirty],
            arrays.hour[dirty],
            arrays.day[dirty],
            self.landmark,
        )

    def _move_landmark(self, landmark: int) -> None:
        used, back = len(self), self.landmark - landmark
        arrays = self.arrays
        arrays.hour[:used] = _scaled(arrays.hour[:used], back // HOUR_HALF_LIFE)
        arrays.day[:used] = _scaled(arrays.day[:used], back // DAY_HALF_LIFE)
        self.landmark = landmark

    def _make_room(self, hashes: NDArray[np.uint32]) -> list[int]:
        """Grow, or evict the lightest eighth; returns the tracks evicted."""
        used = len(self)
        if used < self._tracks_max:
            grown = _new_market(min(2 * used, self._tracks_max))
            for column in _COLUMNS:
                getattr(grown, column)[:used] = getattr(self.arrays, column)
            grown.used[0] = used
            rebuild_places(grown)
            self.arrays = grown
            return []
        order = np.lexsort((-hashes[self.ids].astype(np.int64), self.arrays.day[:used]))
        keep = np.ones(used, np.bool_)
        keep[order[: max(1, used // 8)]] = False
        evicted: list[int] = self.ids[~keep].tolist()
        self._keep(keep)
        return evicted

    def _keep(self, keep: NDArray[np.bool_]) -> None:
        """Close the gaps that slots not in `keep` leave."""
        used, kept = len(self), int(keep.sum())
        if kept == used:
            return
        for name in _COLUMNS:
            column = getattr(self.arrays, name)
            column[:kept] = column[:used][keep]
        self.arrays.dirty[kept:used] = 0
        self.arrays.used[0] = kept
        rebuild_places(self.arrays)


def _scaled(scores: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    """Scores times 2 ** exponent, exactly; what is next to nothing becomes 0."""
    scaled = np.ldexp(scores, exponent)
    return np.where(scaled < _SMALLEST, 0.0, scaled)


def _new_market(room: int) -> MarketArrays:
    places = 1 << (2 * room - 1).bit_length()
    return MarketArrays(
        ids=np.zeros(room, np.int32),
        plays=np.zeros(room, np.int64),
        hour=np.zeros(room, np.float64),
        day=np.zeros(room, np.float64),
        dirty=np.zeros(room, np.uint8),
        places=np.zeros(places, np.int32),
        used=np.zeros(1, np.int64),
    )
