"""Impressions: what listeners did with their lists is counted, what they dismissed is hidden."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from weakref import WeakKeyDictionary

from agents.deps import Deps
from agents.lists import ListWriter
from agents.outcomes import count_outcomes
from agents.pausing import pause_if_flooded
from models.recommend.exploring import weight
from models.recommend.impressions import (
    Explored,
    ImpressionWindow,
    accepted,
    dismissals,
    explored,
)
from models.recommend.listeners import ListenerState
from schemas.impressions import Impression
from schemas.registry import IMPRESSIONS
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.intake import Intake
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["register"]


def register(
    app: SegueApp, deps: Deps, listeners: TaskGroup[ListenerState], lists: ListWriter
) -> None:
    """Register the agent `impressions`. It shares the listeners' tasks with `plays`.

    What is hidden, and what the bandit learns, holds exactly once, by the task's transaction; what
    is counted is a metric.
    """
    settings = deps.settings
    intake = Intake.of(Impression, settings, time_ms="at_ms")
    windows: WeakKeyDictionary[ListenerState, ImpressionWindow] = WeakKeyDictionary()

    @app.agent(app.polls(IMPRESSIONS.topic(settings.topic_prefix), urgent=True), name="impressions")
    async def impressions(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            outcomes: Counter[str] = Counter()
            async with listeners.units(poll) as units:
                read = [(unit, intake.read(unit)) for unit in units]
                found = [
                    (unit, taken, _new(windows, unit.state, taken.events)) for unit, taken in read
                ]
                hidden = [(unit, dismissals(new)) for unit, _, new in found]
                await lists.fetch(hidden)
                touched = [(unit, unit.state.apply_feedback(said).touched) for unit, said in hidden]
                await lists.write(touched)
                for unit, taken, new in found:
                    _count(unit.state, new)
                    _learn(unit.state, explored(new, unit.state), settings.exploration_share)
                    repeated = len(taken.events) - len(new)
                    outcomes.update({"applied": len(new), "duplicate": repeated} | taken.tally())
            outcomes = +outcomes
            count_outcomes("impressions", outcomes)
            await pause_if_flooded(listeners, units, intake, deps)
            yield dict(outcomes)


def _new(
    windows: WeakKeyDictionary[ListenerState, ImpressionWindow],
    state: ListenerState,
    events: Sequence[Impression],
) -> list[Impression]:
    """The events that are no repeats."""
    new = windows.setdefault(state, ImpressionWindow()).new(events)
    return [event for event, is_new in zip(events, new, strict=True) if is_new]


def _count(state: ListenerState, events: Sequence[Impression]) -> None:
    for shown, count in accepted(events, state.arms).items():
        metrics.SHOWN.labels(shown.arm, shown.kind, shown.source, shown.action).inc(count)
        cohort = shown.arm, shown.kind, str(shown.cohort)
        metrics.COHORT_SHOWN.labels(*cohort).inc(count)
        metrics.COHORT_TAPPED.labels(*cohort).inc(count if shown.action == "tapped" else 0)


def _learn(state: ListenerState, found: Sequence[Explored], share: float) -> None:
    for entry, cohort in found:
        strategy, is_tapped = str(entry.source), entry.action == "tapped"
        state.bandit.learn(strategy, is_accepted=is_tapped)
        if entry.propensity and share:
            labels, stands_for = (strategy, str(cohort)), weight(entry.propensity, share)
            metrics.EXPLORED.labels(*labels).inc(stands_for)
            metrics.EXPLORED_TAPPED.labels(*labels).inc(stands_for if is_tapped else 0.0)
