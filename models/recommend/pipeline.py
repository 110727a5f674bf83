"""All stages in one process, without a broker: for replaying logs, for laws, for notebooks.

The same states and kernels as in a worker; only the way between them is shorter. What a worker
learns of its neighbours' plays after a flush, this learns when `propagate` is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from models.evaluate.scores import WITHOUT
from models.recommend.arms import WHOLE, Arms
from models.recommend.catalogue import Catalogue
from models.recommend.kernels.scene import Rates
from models.recommend.listener_memory import ListenerLimits
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.plays import Learned
from models.recommend.recommender import SHIPPED_RATES, TRENDING_MAX, Recommender, ServedLists
from models.recommend.sounds import Sounds
from models.recommend.trends import TrendState
from models.recommend.vectors import VectorState
from models.recommend.vocabulary import Vocabulary
from schemas.discoveries import DiscoveriesFrame
from schemas.events import PlayEvent
from schemas.frames import PairsFrame, TrendCountsFrame
from schemas.outputs import Source

__all__ = ["Pipeline", "Sent"]


class Sent(NamedTuple):
    """What stage A sends to the stages behind it."""

    pairs: list[PairsFrame]
    trend_counts: list[TrendCountsFrame]
    discoveries: DiscoveriesFrame | None


class Pipeline:
    """One partition of each stage, and a recommender over them.

    >>> from models.recommend.pipeline import Pipeline
    >>> play = PlayEvent("e1", "ann", "song", 1_700_000_000_000, 1000, 1000, "finished")
    >>> pipeline = Pipeline()
    >>> pipeline.learn([play]).tally()
    {'applied': 1}
    """

    def __init__(
        self,
        limits: ListenerLimits | None = None,
        *,
        list_length: int = 20,
        tracks_max: int = 100_000,
        filtered: bool = True,
        without: Source | None = None,
        rates: Rates = SHIPPED_RATES,
    ) -> None:
        self.vocabulary = Vocabulary()
        arms = Arms() if without is None else Arms({WITHOUT + without: WHOLE})
        self.catalogue = Catalogue(self.vocabulary, tracks_max)
        self.listeners = ListenerState(self.vocabulary, limits, self.catalogue, arms=arms)
        self.neighbours = NeighbourState(self.vocabulary, tracks_max, self.catalogue)
        self.trends = TrendState(self.vocabulary, tracks_per_market_max=tracks_max)
        self.vectors = VectorState(self.vocabulary, max(tracks_max, 1_000))
        self.sounds = Sounds(self.vocabulary, tracks_max)
        self.recommender = Recommender(
            self.vocabulary,
            self.neighbours,
            tastes=self.vectors,
            catalogue=self.catalogue,
            sounds=self.sounds,
            list_length=list_length,
            filtered=filtered,
            rates=rates,
        )
        self.popular: dict[str, list[str]] = {}
        """The trending tracks of each market as of the last `propagate`."""

    def learn(self, plays: Sequence[PlayEvent]) -> Learned:
        """Stage A alone: rankers and the listeners' own context are up to date at once."""
        return self.listeners.learn(plays, lists=self.recommender)

    def propagate(self) -> None:
        """Stages B and C: rows and trends learn what stage A sent since the last call."""
        self.apply(self.drain())

    def drain(self) -> Sent:
        """What stage A sent since the last call, to be applied now or later, in order."""
        given = self.listeners.drain_pairs(lambda _: 0).values()
        pairs = [*given, *self.listeners.drain_erased(lambda _: 0).values()]
        counts, found = self.listeners.drain_trend_counts(), self.listeners.drain_discoveries()
        return Sent(pairs, counts, found)

    def apply(self, sent: Sent) -> None:
        """Let the stages after A learn what was drained."""
        for pairs in sent.pairs:
            self.neighbours.learn(pairs)
        for counts in sent.trend_counts:
            self.trends.learn(counts)
        if sent.discoveries is not None:
            self.vectors.learn(sent.discoveries)
        for market in self.trends.drain_dirty_markets():
            names, scores = self.trends.trending(market, "day", TRENDING_MAX)
            self.popular[market] = names
            self.recommender.set_trending(market, names, scores.tolist())

    def recommend(self, slots: Sequence[int], *, at_ms: int = 0) -> list[ServedLists]:
        """Both lists of each listener, at a time: what they hid is hidden for 30 days."""
        return self.recommender.recommend(self.listeners, slots, at_ms=at_ms)
