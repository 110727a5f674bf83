"""Test then learn: each play is looked up in the lists its listener would have had before it.

Two questions:

- `new`: the track is new to the listener, who never played it in this log; asked of `discover`.
- `any`: any play, repeats included; asked of `next`.

and arms: `default`, the lists as they are served but without product filters (the track just played
may come again); `without-SOURCE`, the same where one source says nothing; `popular`, the most
popular tracks of the listener's market; and baselines, which rank all tracks. Each arm but the last
two is a pipeline of its own, which learns every play; a baseline learns those that are trials.

Plays that join their listener's session are trials: no duplicates, late ones or early skips. All
tracks compete; one that nobody played before is a miss. A listener's first play is asked of the
popular list in every arm, which is what they would have been shown. A play is seen by others
`lag_plays` plays later (give or take an eighth), as a worker learns it from the stages after its
own; a listener's own context is never behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from models.evaluate.comparing import Estimate, finite_margin, verdict
from models.evaluate.lagged import Baseline, Lagged
from models.evaluate.paired import Paired
from models.evaluate.scores import DEPTH, POPULAR, QUESTIONS, Ranks, Score
from models.recommend.pipeline import Pipeline, Sent
from models.recommend.plays import OUTCOMES
from models.recommend.recommender import ServedLists
from schemas.events import PlayEvent
from schemas.outputs import WORLD

__all__ = ["Point", "Prequential", "Report", "Sample"]

_JOINED: Final = tuple(map(OUTCOMES.index, ("applied", "held")))
_STEPS: Final = 4  # of a lag


@dataclass(frozen=True, slots=True)
class Sample:
    """Which plays are asked, by their number in the log: all from `start` on, or some of those."""

    start: int = 0
    chosen: frozenset[int] | None = None

    @classmethod
    def of(cls, plays: int, *, start: int, size: int, seed: int) -> Sample:
        """`size` of the plays from `start` on, each as likely as another."""
        numbers = range(start, plays)
        return cls(start, frozenset(Random(seed).sample(numbers, min(size, len(numbers)))))

    def __contains__(self, number: int) -> bool:
        if self.chosen is None:
            return number >= self.start
        return number in self.chosen


@dataclass(frozen=True, slots=True)
class Point:
    """HR@10 over the trials since the point before, by arm and question."""

    plays: int
    hr10: dict[str, dict[str, float]]


Scores = dict[str, dict[str, Score]]


@dataclass(slots=True)
class Report:
    """What came out: scores by arm and question, and how they went."""

    scores: Scores
    paired: Paired
    plays: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)

    @property
    def first(self) -> str:
        """The arm that others are compared with."""
        return next(iter(self.scores))

    def hr10(self, arm: str, question: str) -> Estimate | None:
        """HR@10 with its interval; None without trials."""
        return self.paired.hr10(arm, question)

    def more(self, arm: str, question: str) -> Estimate | None:
        """How much more HR@10 an arm has than the first; None of the first and without trials."""
        return None if arm == self.first else self.paired.more(arm, self.first, question)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "plays": self.plays,
            "arms": {
                arm: {name: self._scored(arm, name) for name in asked}
                for arm, asked in self.scores.items()
            },
            "outcomes": self.outcomes,
            "points": [{"plays": point.plays, "hr@10": point.hr10} for point in self.points],
        }

    def _scored(self, arm: str, question: str) -> dict[str, object]:
        score, hr10 = self.scores[arm][question], self.hr10(arm, question)
        found: dict[str, object] = {**score.rates, "count": score.trials}
        found["hr@10_margin"] = finite_margin(hr10)
        if (more := self.more(arm, question)) is not None:
            margin = finite_margin(more)
            found["hr@10_more"] = {"value": more.value, "margin": margin, "said": verdict(more)}
        return found


class Prequential:
    """Runs plays through pipelines, one per arm, and keeps score in `report`.

    With `popular` the popular tracks of the first pipeline are scored too, and so are `baselines`,
    which may take long and change nothing of what the others are. A point is noted every
    `point_plays`, unless nothing was asked since the one before. Raises ValueError for lists too
    short to be scored.
    """

    def __init__(
        self,
        pipelines: Mapping[str, Pipeline],
        *,
        popular: bool = True,
        baselines: Mapping[str, Baseline] | None = None,
        lag_plays: int = 100,
        sample: Sample | None = None,
        point_plays: int = 10_000,
    ) -> None:
        if any(each.recommender.list_length < DEPTH for each in pipelines.values()):
            raise ValueError(f"lists shorter than {DEPTH} cannot be scored")
        self.pipelines = dict(pipelines)
        self._first = next(iter(pipelines.values()))
        self._baselines = {
            arm: Lagged(model, lag_plays=lag_plays) for arm, model in (baselines or {}).items()
        }
        arms = [*pipelines, *([POPULAR] if popular else []), *self._baselines]
        self.report = Report(_new_scores(arms), Paired(arms))
        self._sample = sample or Sample()
        self._step = max(1, lag_plays // _STEPS)
        self._behind = max(0, lag_plays - self._step)
        self._point_plays = point_plays
        self._sent: deque[tuple[int, dict[str, Sent]]] = deque()
        self._last = _copy(self.report.scores)
        self._places: dict[str, dict[str, int]] = {}
        self._played: dict[str, set[str]] = {}

    def step(self, plays: Sequence[PlayEvent]) -> None:
        """Ask and learn some plays, in order. O(plays)."""
        start = 0
        while start < len(plays):
            done = self.report.plays
            end = _end_of_run(plays, start, start + self._step - done % self._step)
            run = plays[start:end]
            self._ask_and_learn(run)
            self._note(len(run))
            if self.report.plays % self._step == 0:
                self._pass_on()
            start = end

    def keep(self, arms: Mapping[str, str]) -> None:
        """Go on with some of the arms under other names, and score anew; the first one stays."""
        others = [arm for arm in self.report.scores if arm not in self.pipelines]
        kept = {name: self.pipelines[arm] for arm, name in arms.items()}
        assert self._first in kept.values(), "its popular tracks answer for all"
        self.pipelines = kept
        self._sent = deque(
            (due, {arms[arm]: sent for arm, sent in by_arm.items() if arm in arms})
            for due, by_arm in self._sent
        )
        self.report.scores, self.report.points = _new_scores([*kept, *others]), []
        self.report.paired = Paired(self.report.scores)
        self._last = _copy(self.report.scores)

    def _ask_and_learn(self, run: Sequence[PlayEvent]) -> None:
        first = self.report.plays
        asked = [play for number, play in enumerate(run, first) if number in self._sample]
        served = {arm: _lists(pipeline, asked) for arm, pipeline in self.pipelines.items()}
        answers = {
            id(play): self._answer(play, {arm: lists[i] for arm, lists in served.items()})
            for i, play in enumerate(asked)
        }
        learned, *_ = [pipeline.learn(run) for pipeline in self.pipelines.values()]
        outcomes = self.report.outcomes
        for name, count in learned.tally().items():
            outcomes[name] = outcomes.get(name, 0) + count
        for number, (play, outcome) in enumerate(
            zip(run, learned.outcomes.tolist(), strict=True), first
        ):
            if outcome in _JOINED:
                ranks = answers.get(id(play), {})
                self._step_baselines(number, play, ranks)
                self._score(play.user_id, ranks)
                self._played.setdefault(play.user_id, set()).add(play.track_id)

    def _step_baselines(self, number: int, play: PlayEvent, ranks: Ranks) -> None:
        """Ask each baseline that knows the listener, where a play is asked, and let it learn."""
        user, track = play.user_id, play.track_id
        for arm, baseline in self._baselines.items():
            baseline.catch_up(number, user)
            if ranks and baseline.model.knows(user):
                played = self._played.get(user, set())
                ranks[arm] = {
                    question: baseline.model.rank(
                        user, track, without=played if question == "new" else ()
                    )
                    for question in ranks[arm]
                }
            baseline.add(number, user, track)

    def _score(self, user_id: str, ranks: Ranks) -> None:
        if ranks:
            self.report.paired.add(user_id, ranks)
        for arm, asked in ranks.items():
            for question, rank in asked.items():
                self.report.scores[arm][question].add(rank)

    def _answer(self, play: PlayEvent, served: Mapping[str, ServedLists | None]) -> Ranks:
        """Where the play stands in each list that is asked about it."""
        track, played = play.track_id, self._played.get(play.user_id, set())
        questions = QUESTIONS if track not in played else ("any",)
        popular = {
            question: self._popular_rank(play, but=played if question == "new" else None)
            for question in questions
        }
        ranks: Ranks = {POPULAR: popular} | dict.fromkeys(self._baselines, popular)
        for arm, lists in served.items():
            if lists is None:
                ranks[arm] = popular
                continue
            asked = {"any": lists.next[0], "new": lists.discover[0]}
            ranks[arm] = {question: _rank(asked[question], track) for question in questions}
        return {arm: ranks[arm] for arm in self.report.scores}

    def _popular_rank(self, play: PlayEvent, but: set[str] | None = None) -> int | None:
        """The rank among the popular tracks of a play's market, `but` some taken out."""
        popular = self._first.popular
        market = play.market if play.market in popular else WORLD
        names = popular.get(market or WORLD, [])
        places = self._places.get(market or WORLD)
        if places is None:
            places = {name: place for place, name in enumerate(names)}
            self._places[market or WORLD] = places
        place = places.get(play.track_id)
        if place is None or not but:
            return place
        return place - sum(name in but for name in names[:place])

    def _pass_on(self) -> None:
        """Let the stages behind learn what was sent long enough ago."""
        now = self.report.plays
        pipelines = self.pipelines
        drained = {arm: pipeline.drain() for arm, pipeline in pipelines.items()}
        self._sent.append((now + self._behind, drained))
        while self._sent and self._sent[0][0] <= now:
            for arm, sent in self._sent.popleft()[1].items():
                if arm in pipelines:  # else it was dropped since
                    pipelines[arm].apply(sent)
            self._places = {}

    def _note(self, count: int) -> None:
        report = self.report
        before = report.plays
        report.plays += count
        if report.plays // self._point_plays == before // self._point_plays:
            return
        since = {
            arm: {name: score - self._last[arm][name] for name, score in asked.items()}
            for arm, asked in report.scores.items()
        }
        if all(asked["any"].trials for asked in since.values()):
            hr10 = {arm: {n: s.rates["hr@10"] for n, s in since[arm].items()} for arm in since}
            report.points.append(Point(report.plays, hr10))
        self._last = _copy(report.scores)


def _new_scores(arms: Iterable[str]) -> Scores:
    return {arm: {name: Score() for name in QUESTIONS} for arm in arms}


def _copy(scores: Scores) -> Scores:
    return {
        arm: {name: score.copy() for name, score in asked.items()} for arm, asked in scores.items()
    }


def _lists(pipeline: Pipeline, asked: Sequence[PlayEvent]) -> list[ServedLists | None]:
    """The lists of each play's listener; None if nothing is known of them."""
    slots = [pipeline.listeners.slot(play.user_id) for play in asked]
    served = iter(pipeline.recommend([slot for slot in slots if slot is not None]))
    return [None if slot is None else next(served) for slot in slots]


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
