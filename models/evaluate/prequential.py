"""Test then learn: each play is looked up in the lists its listener would have had before it.

Two questions, each beside what a list of the market's popular tracks would score:

- `new`: the track is new to the listener (not among the last 256 they heard); asked of `discover`.
- `all`: any play, repeats included; asked of `next`.

Only applied plays count: no duplicates, late ones or early skips. A listener's first play is asked
of the popular list, which is what they would have been shown. Rows and trends learn what listeners
did every `lag_plays` plays, as a worker learns it at its next flush; a listener's own context is
never behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from models.evaluate.scores import DEPTH, Score
from models.recommend.pipeline import Pipeline
from models.recommend.recommender import ServedLists
from schemas.events import PlayEvent
from schemas.outputs import WORLD

__all__ = ["Point", "Prequential", "Report"]

_APPLIED: Final = 0


@dataclass(frozen=True, slots=True)
class Point:
    """HR@10 over the plays since the point before, by question and arm."""

    plays: int
    hr10: dict[str, float]


@dataclass(slots=True)
class Report:
    """What came out: scores by `QUESTION.ARM`, and how they went."""

    plays: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Score] = field(
        default_factory=lambda: {
            f"{question}.{arm}": Score()
            for question in ("new", "all")
            for arm in ("segue", "popular")
        }
    )
    points: list[Point] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "plays": self.plays,
            "outcomes": self.outcomes,
            "scores": {
                name: {"trials": score.trials, **score.rates} for name, score in self.scores.items()
            },
            "points": [{"plays": point.plays, "hr10": point.hr10} for point in self.points],
        }


class Prequential:
    """Runs plays through a pipeline and keeps score in `report`.

    The first `warmup_plays` are learned but not asked. A point is noted every `point_plays`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        lag_plays: int = 100,
        warmup_plays: int = 0,
        point_plays: int = 10_000,
    ) -> None:
        if pipeline.recommender.list_length < DEPTH:
            raise ValueError(f"lists shorter than {DEPTH} cannot be scored")
        self.pipeline = pipeline
        self.report = Report()
        self._lag_plays = lag_plays
        self._warmup_plays = warmup_plays
        self._point_plays = point_plays
        self._since_propagated = 0
        self._last = {name: score.copy() for name, score in self.report.scores.items()}
        self._places: dict[str, dict[str, int]] = {}

    def step(self, plays: Sequence[PlayEvent]) -> None:
        """Ask and learn some plays, in order. O(plays)."""
        start = 0
        while start < len(plays):
            end = _end_of_run(plays, start, start + self._lag_plays - self._since_propagated)
            run = plays[start:end]
            if self.report.plays >= self._warmup_plays:
                self._ask_and_learn(run)
            else:
                self._learn(run)
            self._since_propagated += len(run)
            if self._since_propagated == self._lag_plays:
                self.pipeline.propagate()
                self._places = {}
                self._since_propagated = 0
            self._note(len(run))
            start = end

    def _learn(self, run: Sequence[PlayEvent]) -> list[int]:
        learned, outcomes = self.pipeline.learn(run), self.report.outcomes
        for name, count in learned.tally().items():
            outcomes[name] = outcomes.get(name, 0) + count
        codes: list[int] = learned.outcomes.tolist()
        return codes

    def _ask_and_learn(self, run: Sequence[PlayEvent]) -> None:
        listeners = self.pipeline.listeners
        slots = [listeners.slot(play.user_id) for play in run]
        known = [slot for slot in slots if slot is not None]
        served = iter(self.pipeline.recommend(known))
        answers = [
            self._answer(play, slot, None if slot is None else next(served))
            for play, slot in zip(run, slots, strict=True)
        ]
        for outcome, ranks in zip(self._learn(run), answers, strict=True):
            if outcome == _APPLIED:
                for name, rank in ranks.items():
                    self.report.scores[name].add(rank)

    def _answer(
        self, play: PlayEvent, slot: int | None, served: ServedLists | None
    ) -> dict[str, int | None]:
        """Where the play stands in each list that is asked about it."""
        track = play.track_id
        is_new = slot is None or not self.pipeline.listeners.has_heard(slot, track)
        popular = self._popular_rank(play)
        answers = {"all.popular": popular}
        answers["all.segue"] = popular if served is None else _rank(served.next[0], track)
        if is_new:
            answers["new.popular"] = self._without_heard(play, slot, popular)
            answers["new.segue"] = popular if served is None else _rank(served.discover[0], track)
        return answers

    def _popular_list(self, play: PlayEvent) -> tuple[str, list[str]]:
        popular = self.pipeline.popular
        market = play.market if play.market in popular else WORLD
        return market or WORLD, popular.get(market or WORLD, [])

    def _popular_rank(self, play: PlayEvent) -> int | None:
        market, names = self._popular_list(play)
        places = self._places.get(market)
        if places is None:
            places = self._places[market] = {name: place for place, name in enumerate(names)}
        return places.get(play.track_id)

    def _without_heard(self, play: PlayEvent, slot: int | None, rank: int | None) -> int | None:
        """The rank once the tracks that the listener has heard are taken out."""
        if slot is None or rank is None:
            return rank
        before = self._popular_list(play)[1][:rank]
        heard = self.pipeline.listeners.has_heard
        return rank - sum(heard(slot, name) for name in before)

    def _note(self, count: int) -> None:
        report = self.report
        before = report.plays
        report.plays += count
        if report.plays // self._point_plays == before // self._point_plays:
            return
        scores = report.scores
        hr10 = {name: (score - self._last[name]).rates["hr10"] for name, score in scores.items()}
        report.points.append(Point(report.plays, hr10))
        self._last = {name: score.copy() for name, score in scores.items()}


def _rank(names: list[str], track: str) -> int | None:
    return names.index(track) if track in names else None


def _end_of_run(plays: Sequence[PlayEvent], start: int, limit: int) -> int:
    """The end of the run in which no listener comes twice: one call asks for all of its lists."""
    users: set[str] = set()
    for end in range(start, min(limit, len(plays))):
        if plays[end].user_id in users:
            return end
        users.add(plays[end].user_id)
    return min(limit, len(plays))
