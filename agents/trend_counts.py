"""Stage C: trends. Adds the plays of each market, decayed by age, and publishes what leads."""

from collections.abc import AsyncIterator, Iterable
from typing import get_args
from weakref import WeakKeyDictionary

from agents.deps import Deps
from agents.frames import apply_frames
from agents.verifying import Verifier
from agents.versions import Versions
from models.recommend.trends import TrendState
from models.recommend.vocabulary import Vocabulary
from schemas.frames import decode_trend_counts
from schemas.murmur2 import partition_of_name
from schemas.outputs import TrendWindow, encode_trending
from schemas.rediskeys import trend_key
from schemas.registry import TREND_COUNTS, TRENDS, TRENDS_CHANGELOG
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.sinks.redis import Values, Write
from streams.stage import Output
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["TrendsStage", "register"]

TRENDING_MAX = 100
MARKETS_AT_ONCE = 10  # a few milliseconds, for which lists would wait
WINDOWS: tuple[TrendWindow, ...] = get_args(TrendWindow)


class TrendsStage:
    """Fits `streams.stage.Stage`. Trends reach Redis about every second, and before a commit.

    What stands there at a commit, and did not at the last one, goes to the topic `trends` with it.
    """

    name = "trends"
    needs: tuple[str, ...] = ()

    def __init__(self, vocabulary: Vocabulary, deps: Deps) -> None:
        settings = deps.settings
        self.inputs = (TREND_COUNTS.topic(settings.topic_prefix),)
        self.changelog = TRENDS_CHANGELOG.topic(settings.topic_prefix)
        self.flush_interval_s = settings.sink_flush_interval_s
        self.publish_interval_s = settings.trend_publish_interval_s
        self._vocabulary, self._deps = vocabulary, deps
        self._topic, self._partitions = TRENDS.topic(settings.topic_prefix), settings.partitions
        self._unsent: WeakKeyDictionary[TrendState, dict[tuple[str, TrendWindow], bytes]]
        self._unsent = WeakKeyDictionary()
        self._versions = Versions(deps)
        self._verifier = Verifier(deps, self.publish_interval_s)

    def new_state(self, partition: int) -> TrendState:
        """Return an empty state."""
        return TrendState(self._vocabulary)

    def outputs(self, state: TrendState) -> list[Output]:
        """Give out the trends that reached Redis since the last commit, each as of now."""
        unsent = self._unsent.pop(state, {})
        return [
            Output(self._topic, partition_of_name(market, self._partitions), market.encode(), raw)
            for (market, _), raw in unsent.items()
        ]

    async def publish(self, task: PartitionTask[TrendState], *, complete: bool) -> None:
        """Write the trends that changed; see whether Redis holds the others."""
        if not complete:
            await self._verifier.verify_if_due(task)
        metrics.TREND_SHIFTS.inc(task.state.drain_shifts())
        markets = task.state.drain_dirty_markets()
        for start in range(0, len(markets), MARKETS_AT_ONCE):
            part = markets[start : start + MARKETS_AT_ONCE]
            await self._deps.sink.write(Write(task, await self._values(task, part)))
            await (task.breathe() if complete else task.give_way())

    async def everything(self, task: PartitionTask[TrendState]) -> AsyncIterator[Values]:
        """Return all trends."""
        yield await self._values(task, task.state.markets)

    async def _values(self, task: PartitionTask[TrendState], markets: Iterable[str]) -> Values:
        version = await self._versions.at(task, task.version_offset)
        at_ms = self._deps.clock.now_ms()
        state = task.state
        values = {
            (market, window): encode_trending(
                version,
                market,
                window=window,
                at_ms=at_ms,
                shifted_at_ms=state.shifted_at_ms(market),
                columns=state.moving(market, window, TRENDING_MAX),
            )
            for market in markets
            for window in WINDOWS
        }
        self._unsent.setdefault(state, {}).update(values)
        items = [(trend_key(*name), raw) for name, raw in values.items()]
        return Values("trend", version, items, ttl_s=self._deps.settings.row_ttl_s)


def register(app: SegueApp, deps: Deps, vocabulary: Vocabulary) -> None:
    """Register the agent `trend-counts`. Exactly once by the task's transaction."""
    stage = TrendsStage(vocabulary, deps)
    trends = TaskGroup(stage, app=app, settings=deps.settings)
    app.groups.append(trends)

    @app.agent(app.polls(stage.inputs[0]), name="trend-counts", concurrency=1)
    async def trend_counts(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            yield await apply_frames(
                trends, poll, decode_trend_counts, agent="trend-counts", deps=deps
            )
