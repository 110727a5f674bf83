"""Plays: each one changes its listener, the pairs of its session, and at once the lists."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from time import time
from typing import TypeVar

from agents.deps import Deps
from agents.lists import ListWriter
from agents.outcomes import count_outcomes
from agents.pausing import pause_if_flooded
from models.recommend.conduct import HOLD_REASONS, SUSPICIONS, ConductTally
from models.recommend.listeners import ListenerState
from schemas.events import PlayEvent
from schemas.registry import PLAYS
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.batches import Batch
from streams.intake import Intake
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["register"]

LATENCY_SAMPLES = 4  # per batch; at low rates that is every play
_SINCE_APPEND = metrics.PLAY_TO_LIST.labels("append")
_SINCE_EVENT = metrics.PLAY_TO_LIST.labels("event")

_HELD = [metrics.HELD.labels(reason) for reason in HOLD_REASONS]
_SUSPECTED = [metrics.SUSPECTED.labels(reason) for reason in SUSPICIONS]

T = TypeVar("T")


def register(
    app: SegueApp, deps: Deps, listeners: TaskGroup[ListenerState], lists: ListWriter
) -> None:
    """Register the agent `plays`.

    Exactly once inside Kafka by the task's transaction; lists are idempotent by key and version.
    """
    settings = deps.settings
    intake = Intake.of(PlayEvent, settings, time_ms="started_at_ms")

    @app.agent(app.polls(PLAYS.topic(settings.topic_prefix), urgent=True), name="plays")
    async def plays(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            outcomes: Counter[str] = Counter()
            async with listeners.units(poll) as units:
                read = [(unit, intake.read(unit)) for unit in units]
                await lists.fetch((unit, taken.events) for unit, taken in read)
                done = []
                for unit, taken in read:
                    judged = ConductTally.of(unit.state.arrays)
                    learned = unit.state.learn(taken.events, taken.exempt, lists=lists.recommender)
                    _count_fraud(judged, ConductTally.of(unit.state.arrays), learned.looks)
                    done.append((unit, taken, learned))
                await lists.write((unit, learned.touched) for unit, _, learned in done)
                for unit, taken, learned in done:
                    outcomes.update(learned.tally() | taken.tally())
                    _observe_latency(unit.batch, taken.events)
            count_outcomes("plays", outcomes)
            await pause_if_flooded(listeners, units, intake, deps)
            yield dict(outcomes)


def _observe_latency(batch: Batch, plays: Sequence[PlayEvent]) -> None:
    """Note how long after their end on the device, and in Kafka, plays are in their lists."""
    now_ms = time() * 1000
    for record in _sampled(batch.records):
        _SINCE_APPEND.observe(max(0.0, (now_ms - record.timestamp) / 1000))
    for play in _sampled(plays):
        _SINCE_EVENT.observe(max(0.0, (now_ms - play.started_at_ms - play.played_ms) / 1000))


def _sampled(items: Sequence[T]) -> Sequence[T]:
    """Return at most LATENCY_SAMPLES of the items, evenly spread."""
    return items[:: 1 + (len(items) - 1) // LATENCY_SAMPLES] if items else items


def _count_fraud(before: ConductTally, after: ConductTally, looks: Sequence[float]) -> None:
    """Count what was held back and why, who was suspected, and note the forest's scores."""
    for counters, then, now in (
        (_HELD, before.held, after.held),
        (_SUSPECTED, before.suspected, after.suspected),
    ):
        for counter, earlier, later in zip(counters, then, now, strict=True):
            if later != earlier:
                counter.inc(later - earlier)
    metrics.TRUSTED.inc(after.trusted - before.trusted)
    for score in looks:
        metrics.ANOMALY.observe(score)
