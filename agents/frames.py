"""Frames from other partitions: added to the state, damaged ones to the dead letters."""

from collections.abc import Callable
from typing import Any

from agents.deps import Deps
from schemas.codec import Rejected
from schemas.frames import BadFrame
from schemas.registry import DEAD_LETTERS
from segue.telemetry import metrics
from streams.batches import Poll
from streams.deadletter import dead_letter
from streams.tasks import TaskGroup

__all__ = ["apply_frames"]


async def apply_frames(
    group: TaskGroup[Any], poll: Poll, decode: Callable[[bytes], Any], *, agent: str, deps: Deps
) -> dict[str, int]:
    """Add each frame of the poll to its partition's state; returns the outcomes."""
    outcomes = {"applied": 0, "rejected": 0}
    letters = DEAD_LETTERS.topic(deps.settings.topic_prefix)
    async with group.units(poll) as units:
        for unit in units:
            for record in unit.records:
                await unit.task.give_way()
                try:
                    unit.state.learn(decode(record.value or b""))
                    outcomes["applied"] += 1
                except BadFrame as error:
                    rejected = Rejected("bad_frame", str(error))
                    unit.send(dead_letter(unit.batch, record, rejected, letters))
                    outcomes["rejected"] += 1
    for outcome, count in outcomes.items():
        metrics.EVENTS.labels(agent, outcome).inc(count)
    return outcomes
