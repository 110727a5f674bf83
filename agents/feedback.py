"""Feedback: what a listener blocks or hides leaves their lists at once; likes are added."""

from collections import Counter
from collections.abc import AsyncIterator

from agents.deps import Deps
from agents.lists import ListWriter
from agents.outcomes import count_outcomes
from agents.pausing import pause_if_flooded
from models.recommend.listeners import ListenerState
from schemas.events import Feedback
from schemas.registry import FEEDBACK
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.intake import Intake
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["register"]


def register(
    app: SegueApp, deps: Deps, listeners: TaskGroup[ListenerState], lists: ListWriter
) -> None:
    """Register the agent `feedback`. It shares the listeners' tasks with `plays`."""
    settings = deps.settings
    intake = Intake.of(Feedback, settings, time_ms="at_ms")

    @app.agent(app.polls(FEEDBACK.topic(settings.topic_prefix), urgent=True), name="feedback")
    async def feedback(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            outcomes: Counter[str] = Counter()
            async with listeners.units(poll) as units:
                read = [(unit, intake.read(unit)) for unit in units]
                await lists.fetch((unit, taken.events) for unit, taken in read)
                forgotten = sum(unit.state.forgotten for unit in units)
                done = [
                    (unit, taken, unit.state.apply_feedback(taken.events)) for unit, taken in read
                ]
                now_forgotten = sum(unit.state.forgotten for unit in units)
                metrics.STATEMENTS_FORGOTTEN.inc(now_forgotten - forgotten)
                await lists.write((unit, learned.touched) for unit, _, learned in done)
                for _, taken, learned in done:
                    outcomes.update(learned.tally() | taken.tally())
            count_outcomes("feedback", outcomes)
            await pause_if_flooded(listeners, units, intake, deps)
            yield dict(outcomes)
