"""Lists: what goes well with the last plays of a session, with the listener, and with the market.

Sources name candidates (`kernels.candidates`), and a ranker for each list, learned from every play,
orders them (`kernels.ranking`). `next` may repeat what the listener knows; `discover` holds only
tracks that are not among the last 160 they heard. Neither holds a blocked track or the one just
played. Both are filled up with what is trending in the listener's market, then in the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.recommend.catalogue import Catalogue
from models.recommend.kernels.listener import (
    COHORTS,
    CONTEXT_USED,
    MARKET,
    RECENT_COUNT,
    SAID_COUNT,
    SESSION_LENGTH,
)
from models.recommend.kernels.ranking import DISCOVER, NEXT
from models.recommend.kernels.scene import (
    NOTHING,
    Exploring,
    Popular,
    Rates,
    RowSource,
    Scene,
    ServingRules,
)
from models.recommend.kernels.serving import ServedArrays, serve
from models.recommend.kernels.taste import Taste
from models.recommend.listeners import ListenerState
from models.recommend.plays import artist_key
from models.recommend.said import named_artists
from models.recommend.sounds import Sounds
from models.recommend.statements import artist_row
from models.recommend.tastes import Tastes
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.events import Feedback, PlayEvent
from schemas.outputs import SOURCES, STATED, STRATEGIES, WORLD

__all__ = ["SHIPPED_RATES", "ListColumns", "Needs", "Recommender", "Rows", "ServedLists"]

TRENDING_MAX: Final = 100
"""Tracks kept per market to fill lists up with."""
MARKETS_MAX: Final = 1024
SHIPPED_RATES: Final = Rates()

ListColumns = tuple[list[str], NDArray[np.float32], list[str], NDArray[np.int8]]
"""Track ids, scores, sources and because of a list, best first: what `encode_list` takes."""

_SOURCE_NAMES: Final = np.array((*SOURCES, STATED, *STRATEGIES), np.object_)


class Rows(Protocol):
    """Where neighbour rows are."""

    @property
    def source(self) -> RowSource:
        """The rows in place; used before anything else changes them."""
        ...


class Vectors(Protocol):
    """Where the vectors of the embedding are."""

    @property
    def taste(self) -> Taste:
        """The vectors in place; used before anything else changes them."""
        ...


class Needs(NamedTuple):
    """Rows of tracks and artists, and trends of markets; ids of the vocabulary."""

    rows: NDArray[np.int32]
    markets: NDArray[np.int32]


class ServedLists(NamedTuple):
    """Both lists of a listener, their arm, and the tracks of the session they were made from."""

    user_id: str
    arm: str
    session: list[str]
    next: ListColumns
    discover: ListColumns
    propensity: float = 0.0
    """The probability of the explored entry of `discover`; 0 without one."""


class Recommender:
    """Makes lists for listeners of any state that shares its vocabulary.

    Knows trends by `set_trending`; rows come from `rows`: the cache of a worker, or a
    `NeighbourState` of the same process; `tastes` are the vectors of the embedding; `catalogue`
    says of tracks what plays do not, and `sounds` what they sound like. A list holds at most
    `artist_tracks_max` tracks of one artist, spread out; with 0 as many as there are. Of the
    `discover` lists `exploration_share` explore.
    For evaluation: not `filtered`, lists may hold the track just played and any number of an
    artist, and none explores.
    """

    def __init__(  # noqa: PLR0913  # one argument for each thing that lists are made from
        self,
        vocabulary: Vocabulary,
        rows: Rows,
        *,
        tastes: Vectors | None = None,
        catalogue: Catalogue | None = None,
        sounds: Sounds | None = None,
        list_length: int = 20,
        artist_tracks_max: int = 0,
        exploration_share: float = 0.0,
        filtered: bool = True,
        rates: Rates = SHIPPED_RATES,
    ) -> None:
        if list_length < 1 or artist_tracks_max < 0:
            raise ValueError("list_length is at least 1, artist_tracks_max at least 0")
        if not 0 <= exploration_share <= 1:
            raise ValueError("exploration_share is from 0 to 1")
        most, share = (artist_tracks_max, exploration_share) if filtered else (0, 0.0)
        self._rules = ServingRules(filtered, NOTHING, most, rates, Exploring(float(share)))
        self.vocabulary = vocabulary
        self.rows = rows
        self._tastes = Tastes(vocabulary) if tastes is None else tastes
        self.catalogue = Catalogue(vocabulary, 1) if catalogue is None else catalogue
        self.sounds = Sounds(vocabulary, 1) if sounds is None else sounds
        self.list_length = list_length
        self._markets: dict[int, int] = {}
        self._unknown: set[int] = set()
        self._popular = _new_popular(8)
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

    def note_markets(self, markets: NDArray[np.int32]) -> bool:
        """Note markets, by id; tells whether one is new."""
        new = {*markets.tolist()} - self._markets.keys() - self._unknown - {NO_NAME}
        if len(self._unknown) + len(new) > MARKETS_MAX:
            return False
        self._unknown |= new
        return bool(new)

    def needs(
        self,
        state: ListenerState,
        slots: Sequence[int],
        plays: Sequence[PlayEvent] = (),
        said: Sequence[Feedback] = (),
    ) -> Needs:
        """What learning `plays`, hearing what was `said` and recommending to `slots` looks at.

        Some more than once.
        """
        arrays, which = state.arrays, np.array(slots, np.int64)
        used = np.arange(CONTEXT_USED) < arrays.meta[which, SESSION_LENGTH][:, None]
        artists = arrays.artists[which, :CONTEXT_USED][used]
        tracks = arrays.recent[which, :CONTEXT_USED][used]
        rows = [artists[artists > 0]]
        markets = arrays.meta[which, MARKET].astype(np.int32)
        stating = (arrays.meta[which, SAID_COUNT] > 0) & (arrays.meta[which, RECENT_COUNT] == 0)
        rows += [named_artists(arrays, slot) for slot in which[stating].tolist()]
        rows.append(
            self.vocabulary.intern([artist_row(name) for event in said for name in event.artists])
        )
        if plays:
            intern = self.vocabulary.intern
            tracks = np.concatenate((tracks, intern([play.track_id for play in plays])))
            rows.append(intern([*{key for play in plays if (key := artist_key(play))}]))
            markets = np.concatenate((markets, intern([play.market or "" for play in plays])))
        if len(self.catalogue):
            groups = np.concatenate((self.catalogue.artists(tracks), self.catalogue.albums(tracks)))
            rows.append(groups[groups > 0])
        return Needs(np.concatenate((tracks, *rows)), markets)

    def recommend(
        self, state: ListenerState, slots: Sequence[int], *, at_ms: int = 0
    ) -> list[ServedLists]:
        """Both lists of each slot, and the memory of them that `learn` is tested against.

        What was hidden 30 days before `at_ms` or earlier may come again.
        """
        if not slots:
            return []
        which = np.array(slots, np.int32)
        out = self._new_served(len(slots))
        scene = self.scene()
        cells = state.trials.cell[which]
        for arm, ranker in enumerate(state.rankers.of_arm):
            own = np.where(cells // COHORTS == arm, which, -1)
            if own.max() < 0:
                continue
            serve(state.arrays, own, at_ms, state.scene_of(arm, scene), ranker, out)
        columns = self._list_columns(out)
        arrays, user = state.arrays, state.user_id
        recent = self.vocabulary.objects[arrays.recent[which, :CONTEXT_USED]].tolist()
        lengths = arrays.meta[which, SESSION_LENGTH].tolist()
        arms = [state.arms.name(cell) for cell in cells.tolist()]
        propensities = out.propensity.tolist()
        return [
            ServedLists(
                user(slot),
                arms[i],
                recent[i][: lengths[i]],
                columns[2 * i + NEXT],
                columns[2 * i + DISCOVER],
                propensities[i],
            )
            for i, slot in enumerate(slots)
        ]

    def scene(self) -> Scene:
        """What lists are made from besides the listener. Holds until anything changes it."""
        words, popular = self.vocabulary, self._popular
        popular = popular._replace(row_of=words.stretched(popular.row_of))
        self._popular = popular
        return Scene(
            rows=self.rows.source,
            popular=popular,
            taste=self._tastes.taste,
            content=self.catalogue.content,
            audio=self.sounds.audio,
            hashes=words.hash32,
            artists=words.artist,
            rules=self._rules,
        )

    def unknown_artists(
        self, state: ListenerState, slots: Sequence[int], served: Sequence[ServedLists]
    ) -> list[set[str]]:
        """The tracks in each slot's lists whose artist is not known, if it matters.

        It does where the listener blocks artists.
        """
        words = self.vocabulary
        return [
            {
                track
                for track in (*lists.next[0], *lists.discover[0])
                if words.artist[words.find(track)] == NO_NAME
            }
            if state.blocks_artists(slot)
            else set()
            for slot, lists in zip(slots, served, strict=True)
        ]

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this recommender holds, for the vocabulary's sweep."""
        return [self._popular.ids, np.array([*self._markets, *self._unknown], np.int32)]

    def _list_columns(self, out: ServedArrays) -> list[ListColumns]:
        """The served arrays by name: two lists per listener, in one run over flat columns."""
        room, objects = self.list_length, self.vocabulary.objects
        names = objects[out.ids.reshape(-1, room)].tolist()
        because = out.because.reshape(-1, room)
        sources = _SOURCE_NAMES[out.sources.reshape(-1, room)].tolist()
        scores = out.scores.reshape(-1, room)
        return [
            (names[i], scores[i], sources[i], because[i])
            if size == room
            else (names[i][:size], scores[i, :size], sources[i][:size], because[i][:size])
            for i, size in enumerate(out.sizes.ravel().tolist())
        ]

    def _new_served(self, count: int) -> ServedArrays:
        shape = (count, 2, self.list_length)
        return ServedArrays(
            ids=np.zeros(shape, np.int32),
            scores=np.zeros(shape, np.float32),
            sources=np.zeros(shape, np.int8),
            because=np.zeros(shape, np.int8),
            sizes=np.zeros(shape[:2], np.int32),
            propensity=np.zeros(count, np.float64),
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
                self._popular = grown._replace(row_of=self._popular.row_of)
            self._markets[track] = row
            self.scene().popular.row_of[track] = row + 1
            self._unknown.discard(track)
        return row


def _new_popular(markets: int) -> Popular:
    return Popular(
        ids=np.zeros((markets, TRENDING_MAX), np.int32),
        scores=np.zeros((markets, TRENDING_MAX), np.float64),
        sizes=np.zeros(markets, np.int32),
        row_of=np.zeros(0, np.int32),
    )
