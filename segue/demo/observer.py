"""Watches a running stack from outside, by its metrics and its lists, and makes snapshots."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.outputs import WORLD
from segue.clock import Clock
from segue.demo.follow import Follower, Lists
from segue.demo.scrape import Latency, MetricsReader, Sample
from segue.demo.trending import TrendWatch
from segue.demo.view import FraudView, Quality, Snapshot, TrendView

__all__ = ["Observer", "Plan", "fraud_between", "quality_between"]

SCRAPE_INTERVAL_S: Final = 1.0
WINDOW_SAMPLES: Final = 6
"""Rates and quantiles on the screen are those of the last 5 s."""
SINCE: Final = "append"
"""From when latency counts: the time the producer put the play into a record for Kafka."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be shown."""

    total_s: float
    awaited: str | None = None
    """The track that is to trend, and when, in seconds from the beginning."""
    trend_at_s: float = 0.0
    titles: Mapping[str, str] = field(default_factory=dict)
    cheats: Sequence[str] = ()


class Observer:
    """Makes a snapshot whenever asked; reads metrics once a second and lists every time."""

    def __init__(
        self, reader: MetricsReader, lists: Lists, follower: Follower, *, plan: Plan, clock: Clock
    ) -> None:
        self._reader = reader
        self._lists = lists
        self._follower = follower
        self._plan = plan
        self._clock = clock
        self._start_s = clock.monotonic_s()
        self._trends = TrendWatch()
        self._samples: deque[Sample] = deque(maxlen=WINDOW_SAMPLES)
        self.first = Sample(self._start_s)
        self.last = self.first

    async def begin(self) -> None:
        """Read what the workers counted before, so that only what follows is shown."""
        self._start_s = self._clock.monotonic_s()
        self.first = self.last = await self._reader.read(self._start_s)
        self._samples.append(self.first)

    async def scrape(self) -> Sample:
        """Read the metrics now. A sample without any worker is not kept."""
        sample = await self._reader.read(self._clock.monotonic_s())
        if sample.workers:
            self.last = sample
            self._samples.append(sample)
        return self.last

    async def snapshot(self, sent: int) -> Snapshot:
        """The present state, `sent` plays after `begin`. Raises Unavailable without Redis."""
        now_s = self._clock.monotonic_s()
        if now_s - self.last.at_s >= SCRAPE_INTERVAL_S:
            await self.scrape()
        earlier = self._samples[0]
        passed_s = max(self.last.at_s - earlier.at_s, 1e-9)
        return Snapshot(
            elapsed_s=now_s - self._start_s,
            total_s=self._plan.total_s,
            sent=sent,
            plays_per_s=max(0.0, self.last.plays - earlier.plays) / passed_s,
            latency=Latency.between(earlier, self.last, SINCE),
            lag=int(self.last.lag),
            quality=quality_between(self.first, self.last),
            listener=await self._follower.read(),
            trend=await self._trend(now_s - self._start_s),
            titles=self._plan.titles,
            fraud=fraud_between(self.first, self.last, self._plan.cheats),
        )

    def latency(self) -> Latency:
        """Of the whole run."""
        return Latency.between(self.first, self.last, SINCE)

    def outcomes(self) -> dict[str, int]:
        """What became of the plays of the whole run; outcomes that did not happen are left out."""
        counts = {
            name: round(count - self.first.outcomes.get(name, 0.0))
            for name, count in sorted(self.last.outcomes.items())
        }
        return {name: count for name, count in counts.items() if count}

    async def _trend(self, elapsed_s: float) -> TrendView:
        found = await self._lists.trends(WORLD, window="hour")
        left_s = self._plan.trend_at_s - elapsed_s
        return TrendView(
            self._trends.look(elapsed_s, found),
            self._plan.awaited,
            left_s if left_s > 0 else None,
        )


def quality_between(earlier: Sample, later: Sample) -> Quality:
    """The hit rates of the plays tested after `earlier` and up to `later`."""
    trials = later.trials - earlier.trials
    if trials <= 0:
        return Quality(None, None, 0)
    shares = {arm: (hits - earlier.hits.get(arm, 0.0)) / trials for arm, hits in later.hits.items()}
    return Quality(shares.get("next"), shares.get("popular"), int(trials))


def fraud_between(earlier: Sample, later: Sample, cheats: Sequence[str]) -> FraudView:
    """What was held back after `earlier` and up to `later`, and how many were suspected."""
    counts = {
        reason: round(count - earlier.held.get(reason, 0.0))
        for reason, count in sorted(later.held.items())
    }
    held = {reason: count for reason, count in counts.items() if count}
    return FraudView(held, round(later.suspected - earlier.suspected), tuple(cheats))
