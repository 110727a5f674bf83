"""What is played in one market: exact counts, and scores that forget by the time of the plays.

Forward decay (Cormode et al., "Forward decay: a practical time decay model for streaming systems",
2009): a play of minute b adds 2 ** ((b - landmark) / half_life), so an old play counts what it
would count had it come in time, and scores need no touch as time passes. The order of tracks is the
order of these sums at any moment; read at the market's newest minute they are decayed plays.
"""

from __future__ import annotations

from typing import Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.trending import (
    EXPONENT_MIN,
    HALF_LIVES,
    MarketArrays,
    learn_counts,
    rebuild_places,
    take_slot,
)
from models.recommend.moving import acceleration
from models.recommend.shifts import ShareDetector
from schemas.outputs import TrendWindow

__all__ = ["MarketRecord", "MarketTrend", "TrackTrend", "TrendColumns"]

Scores = tuple[float, ...]
"""One for each of `HALF_LIVES`, in units of the landmark."""

_WINDOWS: Final[tuple[TrendWindow, ...]] = get_args(TrendWindow)
_DAY: Final = _WINDOWS.index("day")
_FRACTIONS: Final = tuple(np.exp2(np.arange(h) / h) for h in HALF_LIVES)
_COLUMNS: Final = ("ids", "plays", "scores", "leading", "dirty")
_START_ROOM: Final = 1024
_SMALLEST: Final = 2.0**EXPONENT_MIN
_NO_TIME: Final = -1
_BUCKET_PLAYS_MIN: Final = 100
_HOUR: Final = 60
_LANDMARKS: Final = HALF_LIVES[-1]


class MarketRecord(NamedTuple):
    """A market as a whole: minutes, and the plays and scores of all tracks together.

    `shifted` is the minute in which listening was last seen to change, -1 if it never was; `bucket`
    the plays of all and of leading tracks that wait for it, and `shares` what the detector keeps.
    """

    newest: int
    shifted: int
    plays: int
    bucket: tuple[int, int]
    scores: Scores
    shares: bytes


class TrackTrend(NamedTuple):
    """A track in a market: exact plays, and scores in units of the landmark (a minute)."""

    plays: int
    scores: Scores
    landmark: int
    leading: bool


class TrendColumns(NamedTuple):
    """Some tracks of a market, a row for each."""

    ids: NDArray[np.int32]
    plays: NDArray[np.int64]
    scores: NDArray[np.float64]
    leading: NDArray[np.uint8]
    landmark: int

    def part(self, start: int, end: int) -> list[tuple[int, TrackTrend]]:
        """Some of the rows: each track and its trend."""
        columns = (self.ids, self.plays, self.scores, self.leading)
        return [
            (track, TrackTrend(plays, tuple(scores), self.landmark, bool(leading)))
            for track, plays, scores, leading in zip(
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
        self.shifted = _NO_TIME
        self.landmark = 0
        self.shares = ShareDetector()
        self.arrays = _new_market(min(_START_ROOM, tracks_max))
        self._tracks_max = tracks_max

    def __len__(self) -> int:
        return int(self.arrays.used[0])

    @property
    def ids(self) -> NDArray[np.int32]:
        """The track of each slot."""
        return self.arrays.ids[: len(self)]

    @property
    def record(self) -> MarketRecord:
        """The market as a whole, under the present landmark."""
        arrays = self.arrays
        plays, leading = arrays.bucket.tolist()
        return MarketRecord(
            self.newest,
            self.shifted,
            int(arrays.total[0]),
            (plays, leading),
            tuple(arrays.totals.tolist()),
            self.shares.to_bytes(),
        )

    def learn(
        self,
        columns: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]],
        hashes: NDArray[np.uint32],
    ) -> list[int]:
        """Add counts of (track, minute). Returns the tracks evicted for it."""
        minute = int(columns[1].max())
        if minute > self.newest:
            self._end_minute(minute)
        self.move_to(minute)
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
        landmark = minute // _LANDMARKS * _LANDMARKS
        if landmark > self.landmark:
            self._move_landmark(landmark)
        self.newest = minute

    def top(
        self, window: TrendWindow, k: int, hashes: NDArray[np.uint32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The slots of the k highest scores above 0, and these as decayed plays at `newest`."""
        used, which = len(self), _WINDOWS.index(window)
        scores = self.arrays.scores[:used, which]
        if used > k:  # all that may be among the first k, ties included
            least = np.partition(scores, used - k)[used - k]
            candidates = np.flatnonzero(scores >= least)
        else:
            candidates = np.arange(used)
        order = np.lexsort((hashes[self.ids[candidates]], -scores[candidates]))[:k]
        slots = candidates[order]
        decayed = scores[slots] * self._decay(which)
        shown = decayed >= _SMALLEST
        return slots[shown], decayed[shown]

    def accelerations(
        self, window: TrendWindow, slots: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """How fast tracks rise (see `moving`), and whether their plays are recent.

        Recent: three quarters of what was ever played are left in the longer window, but less than
        half of the market's plays, or all would be recent where the market is.
        """
        which = _WINDOWS.index(window)
        arrays, longer = self.arrays, which + 1
        decay = self._decay(which), self._decay(longer)
        now = arrays.scores[slots, which] * decay[0]
        before = arrays.scores[slots, longer] * decay[1]
        total_now, total_before = arrays.totals[which] * decay[0], arrays.totals[longer] * decay[1]
        pace = total_now / total_before if total_before > 0 else 1.0
        rates = acceleration(now, before, pace=pace)
        aged = 2 * total_before < arrays.total[0]
        return rates, aged & (before >= 0.75 * arrays.plays[slots])

    def load(self, track: int, record: TrackTrend, hashes: NDArray[np.uint32]) -> list[int]:
        """Set a track to what was written of it. Returns the tracks evicted for it."""
        evicted: list[int] = []
        while (slot := take_slot(self.arrays, track)) < 0:
            evicted += self._make_room(hashes)
        if record.landmark > self.landmark:
            self._move_landmark(record.landmark)
        self.arrays.plays[slot] = record.plays
        self.arrays.scores[slot] = _moved(np.array(record.scores), record.landmark - self.landmark)
        self.arrays.leading[slot] = record.leading
        return evicted

    def load_record(self, record: MarketRecord) -> None:
        """Set the market as a whole to what was written of it."""
        self.move_to(record.newest)
        self.shifted, self.shares = record.shifted, ShareDetector(record.shares)
        self.arrays.bucket[:] = record.bucket
        written_at = record.newest // _LANDMARKS * _LANDMARKS
        self.arrays.total[0] = record.plays
        self.arrays.totals[:] = _moved(np.array(record.scores), written_at - self.landmark)

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
            arrays.scores[dirty],
            arrays.leading[dirty],
            self.landmark,
        )

    def _end_minute(self, minute: int) -> None:
        """Test what came while `newest` was the newest minute; find new leaders every hour."""
        bucket = self.arrays.bucket
        if not self.arrays.leading.any():  # nothing to test yet
            bucket[:] = 0
        elif bucket[0] >= _BUCKET_PLAYS_MIN:
            share = min(max(bucket[1] / bucket[0], 0.0), 1.0)
            if self.shares.update(float(share)):
                self.shifted = self.newest
            bucket[:] = 0
        if minute // _HOUR != self.newest // _HOUR:
            self._choose_leaders()

    def _choose_leaders(self) -> None:
        """Mark the fewest tracks, with equal ones, that have half of the day. O(n log n)."""
        arrays, used = self.arrays, len(self)
        if not used:
            return
        scores = arrays.scores[:used, _DAY]
        falling = np.sort(np.maximum(scores, 0.0))[::-1]  # plays may be taken back
        reached = np.cumsum(falling)
        least = falling[np.searchsorted(reached, reached[-1] / 2)]
        leading = (scores >= least).astype(np.uint8)
        arrays.dirty[:used] |= leading ^ arrays.leading[:used]
        arrays.leading[:used] = leading

    def _decay(self, which: int) -> float:
        """What a score in units of the landmark is worth at the newest minute."""
        return float(2.0 ** ((self.landmark - self.newest) / HALF_LIVES[which]))

    def _move_landmark(self, landmark: int) -> None:
        used, minutes = len(self), self.landmark - landmark
        self.arrays.scores[:used] = _moved(self.arrays.scores[:used], minutes)
        self.arrays.totals[:] = _moved(self.arrays.totals, minutes)
        self.landmark = landmark

    def _make_room(self, hashes: NDArray[np.uint32]) -> list[int]:
        """Grow, or evict the lightest eighth; returns the tracks evicted."""
        used = len(self)
        if used < self._tracks_max:
            grown = _new_market(min(2 * used, self._tracks_max))
            for column in _COLUMNS:
                getattr(grown, column)[:used] = getattr(self.arrays, column)
            grown.used[0] = used
            for sums in ("total", "totals", "bucket"):
                getattr(grown, sums)[:] = getattr(self.arrays, sums)
            rebuild_places(grown)
            self.arrays = grown
            return []
        order = np.lexsort((-hashes[self.ids].astype(np.int64), self.arrays.scores[:used, _DAY]))
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


def _moved(scores: NDArray[np.float64], minutes: int) -> NDArray[np.float64]:
    """Scores under a landmark later by -`minutes`, exactly; what is next to nothing becomes 0."""
    scaled = np.ldexp(scores, [minutes // half_life for half_life in HALF_LIVES])
    return np.where(np.abs(scaled) < _SMALLEST, 0.0, scaled)


def _new_market(room: int) -> MarketArrays:
    places = 1 << (2 * room - 1).bit_length()
    return MarketArrays(
        ids=np.zeros(room, np.int32),
        plays=np.zeros(room, np.int64),
        scores=np.zeros((room, len(HALF_LIVES)), np.float64),
        leading=np.zeros(room, np.uint8),
        dirty=np.zeros(room, np.uint8),
        places=np.zeros(places, np.int32),
        used=np.zeros(1, np.int64),
        total=np.zeros(1, np.int64),
        totals=np.zeros(len(HALF_LIVES), np.float64),
        bucket=np.zeros(2, np.int64),
    )
