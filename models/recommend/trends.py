"""Stage C: what is played in each market of one partition.

Records in the changelog are one per market (its newest minute) and one per track of a market:

    market                     format version u8, minutes newest and shifted i64, plays i64,
                               plays in the bucket, of them of leaders i64, four scores f64,
                               then a share u16 for each value of the detector
    market, newline, track     format version u8, plays i64, four scores f64, landmark i64,
                               leading u8

A market's record comes before its tracks'. All numbers are little-endian, scores those of hour,
day, week and four weeks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.changing import Records
from models.recommend.market_trend import MarketRecord, MarketTrend, TrackTrend, TrendColumns
from models.recommend.moving import directions
from models.recommend.vocabulary import Vocabulary
from schemas.frames import TrendCountsFrame
from schemas.outputs import Direction, TrendWindow

__all__ = ["MovingTracks", "TrendState"]

_VERSION: Final = 2
_UNKNOWN: Final = "not a trends record of a version that this code reads"
_SLICE_RECORDS: Final = 200  # they are small
_MARKET: Final = struct.Struct("<B5q4d")
_TRACK: Final = struct.Struct("<Bq4dqB")


class MovingTracks(NamedTuple):
    """What leads in a market: columns of equal length, as `encode_trending` takes them."""

    track_ids: list[str]
    scores: NDArray[np.float64]
    accelerations: NDArray[np.float64]
    directions: list[Direction]


class TrendState:
    """The markets of one partition. A `KeyedState` whose keys are markets and their tracks.

    At most `markets_max` markets (the one used longest ago is evicted) of `tracks_per_market_max`
    tracks each (`MarketTrend` says which are evicted); about 60 bytes a track.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        markets_max: int = 256,
        tracks_per_market_max: int = 20_000,
    ) -> None:
        if markets_max < 1 or tracks_per_market_max < 1:
            raise ValueError("markets_max and tracks_per_market_max are at least 1")
        self.vocabulary = vocabulary
        self.evictions = 0
        self._shifts = 0
        self._markets_max = markets_max
        self._tracks_max = tracks_per_market_max
        self._markets: dict[str, MarketTrend] = {}  # used longest ago first
        self._changed: dict[str, None] = {}
        self._unpublished: dict[str, None] = {}
        self._gone: dict[bytes, None] = {}
        self._saving: list[TrendColumns] = []
        vocabulary.register(self)

    def __len__(self) -> int:
        """Return the number of tracks held, over all markets."""
        return sum(len(market) for market in self._markets.values())

    @property
    def markets(self) -> list[str]:
        """The markets held, used longest ago first."""
        return [*self._markets]

    def learn(self, columns: TrendCountsFrame) -> None:
        """Add a market's counts. O(entries)."""
        if not len(columns.track):
            return
        self.vocabulary.sweep_if_due()
        ids = self.vocabulary.intern(columns.names)
        market = self._use(columns.market)
        shifted = market.shifted
        evicted = market.learn(
            (
                ids[columns.track],
                np.array(columns.bucket, np.int64),
                np.array(columns.count, np.int64),
            ),
            self.vocabulary.hash32,
        )
        self._shifts += market.shifted > shifted
        self._note_evicted(columns.market, evicted)
        self._changed.pop(columns.market, None)  # the order is that of last use
        self._changed[columns.market] = None
        self._unpublished[columns.market] = None

    def trending(
        self, market: str, window: TrendWindow, k: int
    ) -> tuple[list[str], NDArray[np.float64]]:
        """The k most played tracks, as plays decayed to the market's newest minute. O(tracks)."""
        found = self._markets.get(market)
        if found is None:
            return [], np.zeros(0)
        slots, scores = found.top(window, k, self.vocabulary.hash32)
        names = self.vocabulary.names
        return [names[track] for track in found.ids[slots].tolist()], scores

    def moving(self, market: str, window: TrendWindow, k: int) -> MovingTracks:
        """The same, and how each track moves."""
        found = self._markets.get(market)
        if found is None:
            return MovingTracks([], np.zeros(0), np.zeros(0), [])
        slots, scores = found.top(window, k, self.vocabulary.hash32)
        rates, recent = found.accelerations(window, slots)
        names = self.vocabulary.names
        track_ids = [names[track] for track in found.ids[slots].tolist()]
        return MovingTracks(track_ids, scores, rates, directions(rates, recent))

    def shifted_at_ms(self, market: str) -> int | None:
        """When the market's listening was last seen to change, by the time of plays."""
        found = self._markets.get(market)
        return None if found is None or found.shifted < 0 else found.shifted * 60_000

    def plays(self, market: str, track_id: str) -> int:
        """How often a track was played in a market, as far as it was never evicted there."""
        found = self._markets.get(market)
        if found is None:
            return 0
        slot = np.flatnonzero(found.ids == self.vocabulary.find(track_id))
        return int(found.arrays.plays[slot[0]]) if len(slot) else 0

    def drain_dirty_markets(self) -> list[str]:
        """The markets whose lists changed since the last call."""
        markets = [*self._unpublished]
        self._unpublished = {}
        return markets

    def drain_shifts(self) -> int:
        """How often a market's listening was seen to change since the last call."""
        shifts, self._shifts = self._shifts, 0
        return shifts

    def mark_all_published_dirty(self) -> None:
        """Publish every market again: what was published is lost."""
        self._unpublished = dict.fromkeys(self._markets)

    def changes(self) -> Records:
        """All of `change_slices` at once."""
        return [*chain.from_iterable(self.change_slices())]

    def change_slices(self) -> Iterator[Records]:
        """Drain what was evicted, then what changed, markets used longest ago first.

        The records are as of this call, whatever is learned until they are taken; take all of them
        before the next call.
        """
        gone: Records = [(key, None) for key in self._gone if not self._holds(key)]
        self._gone = {}
        changed = [(name, self._markets[name]) for name in self._changed]
        self._changed = {}
        self._saving = [market.take_changed() for _, market in changed]
        heads = [(name.encode(), _market_bytes(market.record)) for name, market in changed]
        return chain([gone], self._encoded(heads, self._saving))

    def _encoded(
        self, heads: list[tuple[bytes, bytes]], columns: list[TrendColumns]
    ) -> Iterator[Records]:
        names = self.vocabulary.names
        for head, tracks in zip(heads, columns, strict=True):
            yield [head]
            prefix = head[0] + b"\n"
            for start in range(0, len(tracks.ids), _SLICE_RECORDS):
                yield [
                    (prefix + names[track].encode(), _track_bytes(trend))
                    for track, trend in tracks.part(start, start + _SLICE_RECORDS)
                ]
        self._saving = []

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set a market or a track to a record of `changes`. Raises ValueError on other bytes."""
        market_name, newline, track_id = key.decode().partition("\n")
        if value is None:
            self._forget(market_name, track_id)
            return
        self.vocabulary.sweep_if_due()
        if not newline:
            record = _market_record(value)
            self._use(market_name).load_record(record)
            return
        trend = _track_trend(value)
        track = self.vocabulary.id(track_id)
        market = self._markets.get(market_name) or self._use(market_name)
        evicted = market.load(track, trend, self.vocabulary.hash32)
        self._note_evicted(market_name, evicted)

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this state holds, for the vocabulary's sweep."""
        held = [market.ids for market in self._markets.values()]
        return held + [columns.ids for columns in self._saving]

    def _use(self, name: str) -> MarketTrend:
        """The market, now the one used last; a new one may cost another its place."""
        market = self._markets.pop(name, None)
        if market is None:
            if len(self._markets) == self._markets_max:
                self._evict_market(next(iter(self._markets)))
            market = MarketTrend(self._tracks_max)
        self._markets[name] = market
        return market

    def _evict_market(self, name: str) -> None:
        market = self._markets[name]
        self._note_evicted(name, market.ids.tolist())
        self._gone[name.encode()] = None
        self._forget(name, "")

    def _note_evicted(self, market: str, tracks: list[int]) -> None:
        names = self.vocabulary.names
        for track in tracks:
            self._gone[f"{market}\n{names[track]}".encode()] = None
        self.evictions += len(tracks)

    def _forget(self, market_name: str, track_id: str) -> None:
        market = self._markets.get(market_name)
        if market is None:
            return
        if track_id:
            market.forget(self.vocabulary.find(track_id))
        else:
            del self._markets[market_name]
            self._changed.pop(market_name, None)
            self._unpublished.pop(market_name, None)

    def _holds(self, key: bytes) -> bool:
        market_name, newline, track_id = key.decode().partition("\n")
        market = self._markets.get(market_name)
        if market is None or not newline:
            return market is not None
        return bool((market.ids == self.vocabulary.find(track_id)).any())


def _market_bytes(record: MarketRecord) -> bytes:
    newest, shifted, plays, bucket, scores, shares = record
    return _MARKET.pack(_VERSION, newest, shifted, plays, *bucket, *scores) + shares


def _market_record(raw: bytes) -> MarketRecord:
    if len(raw) < _MARKET.size or (len(raw) - _MARKET.size) % 2 or raw[0] != _VERSION:
        raise ValueError(_UNKNOWN)
    _, newest, shifted, plays, tested, leading, *scores = _MARKET.unpack_from(raw)
    shares = raw[_MARKET.size :]
    return MarketRecord(newest, shifted, plays, (tested, leading), tuple(scores), shares)


def _track_bytes(trend: TrackTrend) -> bytes:
    return _TRACK.pack(_VERSION, trend.plays, *trend.scores, trend.landmark, trend.leading)


def _track_trend(raw: bytes) -> TrackTrend:
    if len(raw) != _TRACK.size or raw[0] != _VERSION:
        raise ValueError(_UNKNOWN)
    _, plays, *scores, landmark, leading = _TRACK.unpack(raw)
    return TrackTrend(plays, tuple(scores), landmark, bool(leading))
