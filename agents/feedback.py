"""Feedback: a blocked track leaves its listener's lists at once."""

from collections.abc import AsyncIterator

from agents.deps import Deps
from agents.lists import ListWriter
from agents.pausing import pause_if_flooded
from models.recommend.listeners import ListenerState
from schemas.codec import EventDecoder
from schemas.events import Feedback
from schemas.registry import DEAD_LETTERS, FEEDBACK
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.intake import Intake, IntakeLimits
from streams.tasks import TaskGroup
from streams.transport import Batches

__all__ = ["register"]


def register(
    app: SegueApp, deps: Deps, listeners: TaskGroup[ListenerState], lists: ListWriter
) -> None:
    """Register the agent `feedback`. It shares the listeners' tasks with `plays`."""
    settings = deps.settings
    intake: Intake[Feedback] = Intake(
        EventDecoder(Feedback, settings.message_bytes_max),
        time_ms="at_ms",
        dead_letters=DEAD_LETTERS.topic(settings.topic_prefix),
        limits=IntakeLimits(settings.partitions, settings.bad_window, settings.bad_share_max),
    )

    @app.agent(
        app.batches(FEEDBACK.topic(settings.topic_prefix), urgent=True),
        name="feedback",
        concurrency=app.batches_at_once,
    )
    async def feedback(batches: Batches) -> AsyncIterator[dict[str, int]]:
        async for batch in batches:
            outcomes: dict[str, int] = {}
            async with listeners.unit(batch) as unit:
                if unit is not None:
                    taken = intake.read(unit)
                    learned = unit.state.apply_feedback(taken.events)
                    await lists.write(unit, learned.touched)
                    outcomes = learned.tally() | taken.tally()
            for outcome, count in outcomes.items():
                metrics.EVENTS.labels("feedback", outcome).inc(count)
            if outcomes:
                await pause_if_flooded(listeners, batch, intake, deps)
            yield outcomes
