"""Lists from context: what goes well with the last plays of a session, then what is popular.

    score(j) = sum over k of 0.8 ** k * weight(i_k, j) / sqrt(plays(i_k) + 1)

over the last five tracks i_0, i_1, ... of the session. The root keeps a track that everybody plays
from drowning the others. `next` may repeat what the listener knows; `discover` holds only tracks
that are not among the last 256 they heard. Neither holds a blocked track or the one just played.
Both are filled up with what is trending in the listener's market, then in the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.listening import MARKET, SESSION_LENGTH
from models.recommend.kernels.serving import (
    DISCOVER,
    NEXT,
    Popular,
    RowSource,
    ServedArrays,
    ServingRules,
    serve,
)
from models.recommend.listeners import ListenerState
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.outputs import WORLD

__all__ = ["CONTEXT_USED", "DECAY", "SOURCES", "ListColumns", "Recommender", "Rows", "ServedLists"]

CONTEXT_USED: Final = 5
DECAY: Final = 0.8
SOURCES: Final = ("similar", "popular")
TRENDING_MAX: Final = 100
"""Tracks kept per market to fill lists up with."""
MARKETS_MAX: Final = 1024

ListColumns = tuple[list[str], NDArray[np.float32], list[str]]
"""Track ids, scores and sources of a list, best first: what `schemas.outputs.encode_list` takes."""


class Rows(Protocol):
    """Where neighbour rows are."""

    @property
    def source(self) -> RowSource:
        """The rows in place; used before anything else changes them."""
        ...


class ServedLists(NamedTuple):
    """Both lists of a listener."""

    user_id: str
    next: ListColumns
    discover: ListColumns


class Recommender:
    """Makes lists for listeners of any state that shares its vocabulary.

    Knows trends by `set_trending`; rows come from `rows`: the cache of a worker, or a
    `NeighbourState` of the same process. Not `filtered`, lists may hold the track just played: for
    evaluation.
    """

    def __init__(
        self, vocabulary: Vocabulary, rows: Rows, *, list_length: int = 20, filtered: bool = True
    ) -> None:
        if list_length < 1:
            raise ValueError("list_length is at least 1")
        self._rules = ServingRules(CONTEXT_USED, DECAY, filtered)
        self.vocabulary = vocabulary
        self.rows = rows
        self.list_length = list_length
        self._markets: dict[int, int] = {}
        self._unknown: set[int] = set()
        self._popular = _new_popular(8)
        # The tails of lists are few: every split of a list into similar and popular ones.
        self._sources = [
            [
                [SOURCES[0]] * similar + [SOURCES[1]] * (size - similar)
                for similar in range(size + 1)
            ]
            for size in range(list_length + 1)
        ]
        self.set_trending(WORLD, [], [])
        vocabulary.register(self)

    def set_trending(self, market: str, names: Sequence[str], scores: Sequence[float]) -> None:
        """Fill lists of this market with these tracks, most played first; at most 100 are kept.

        Scores are positive and do not rise. Markets beyond the 1024th are ignored: their listeners
        get what trends in the world.
        """
        self.vocabulary.sweep_if_due()
        row = self._market_row(market)
        if row is None:
            return
        ids = self.vocabulary.intern(names[:TRENDING_MAX])
        self._popular.ids[row, : len(ids)] = ids
        self._popular.scores[row, : len(ids)] = scores[:TRENDING_MAX]
        self._popular.sizes[row] = len(ids)

    @property
    def markets(self) -> list[str]:
        """The markets noted, the world first: whose trends to set."""
        names = self.vocabulary.names
        return [names[market] for market in (*self._markets, *self._unknown)]

    def note_markets(self, state: ListenerState, slots: Sequence[int]) -> bool:
        """Note the markets of these listeners; tells whether one is new."""
        found = {*state.arrays.meta[np.array(slots, np.int64), MARKET].tolist()}
        new = found - self._markets.keys() - self._unknown - {NO_NAME}
        if len(self._unknown) + len(new) > MARKETS_MAX:
            return False
        self._unknown |= new
        return bool(new)

    def context_tracks(self, state: ListenerState, slots: Sequence[int]) -> NDArray[np.int32]:
        """The tracks whose rows `recommend` would use, as ids; one may come more than once."""
        arrays, which = state.arrays, np.array(slots, np.int64)
        recent = arrays.recent[which, :CONTEXT_USED]
        used = np.arange(CONTEXT_USED) < arrays.meta[which, SESSION_LENGTH][:, None]
        tracks: NDArray[np.int32] = recent[used]
        return tracks

    def recommend(self, state: ListenerState, slots: Sequence[int]) -> list[ServedLists]:
        """Both lists of each slot, and the memory of them that `learn` is tested against."""
        if not slots:
            return []
        which = np.array(slots, np.int32)
        get = self._markets.get
        markets = [get(market, -1) for market in state.arrays.meta[which, MARKET].tolist()]
        out = self._new_served(len(slots))
        serve(
            state.arrays,
            (which, np.array(markets, np.int32), self.vocabulary.hash32),
            self.rows.source,
            self._popular,
            self._rules,
            out,
        )
        columns = self._list_columns(out)
        return [
            ServedLists(state.user_id(slot), columns[2 * i + NEXT], columns[2 * i + DISCOVER])
            for i, slot in enumerate(slots)
        ]

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this recommender holds, for the vocabulary's sweep."""
        return [self._popular.ids, np.array([*self._markets, *self._unknown], np.int32)]

    def _list_columns(self, out: ServedArrays) -> list[ListColumns]:
        """The served arrays by name: two lists per listener, in one run over flat columns."""
        room, sources = self.list_length, self._sources
        names = self.vocabulary.objects[out.ids.reshape(-1, room)].tolist()
        scores = out.scores.astype(np.float32).reshape(-1, room)
        sizes, similar = out.sizes.ravel().tolist(), out.similar.ravel().tolist()
        return [
            (names[i] if size == room else names[i][:size], scores[i, :size], sources[size][known])
            for i, (size, known) in enumerate(zip(sizes, similar, strict=True))
        ]

    def _new_served(self, count: int) -> ServedArrays:
        shape = (count, 2, self.list_length)
        return ServedArrays(
            ids=np.zeros(shape, np.int32),
            scores=np.zeros(shape, np.float64),
            sizes=np.zeros(shape[:2], np.int32),
            similar=np.zeros(shape[:2], np.int32),
        )

    def _market_row(self, market: str) -> int | None:
        track = self.vocabulary.id(market)
        row = self._markets.get(track)
        if row is None:
            row = len(self._markets)
            if row == MARKETS_MAX:
                return None
            if row == len(self._popular.sizes):
                grown = _new_popular(2 * row)
                grown.ids[:row] = self._popular.ids
                grown.scores[:row] = self._popular.scores
                grown.sizes[:row] = self._popular.sizes
                self._popular = grown
            self._markets[track] = row
            self._unknown.discard(track)
        return row


def _new_popular(markets: int) -> Popular:
    return Popular(
        ids=np.zeros((markets, TRENDING_MAX), np.int32),
        scores=np.zeros((markets, TRENDING_MAX), np.float64),
        sizes=np.zeros(markets, np.int32),
    )
