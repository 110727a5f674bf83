"""Frames from other partitions: added to the state, damaged ones to the dead letters."""

from collections.abc import Callable
from typing import Any

from agents.deps import Deps
from schemas.codec import Rejected
from schemas.frames import BadFrame
from schemas.registry import DEAD_LETTERS
from segue.telemetry import metrics
from streams.batches import Batch
from streams.deadletter import dead_letter
from streams.tasks import TaskGroup

__all__ = ["apply_frames"]


async def apply_frames(
    group: TaskGroup[Any], batch: Batch, decode: Callable[[bytes], Any], *, agent: str, deps: Deps
) -> dict[str, int]:
    """Add each frame of the batch to the partition's state; returns the outcomes."""
    outcomes = {"applied": 0, "rejected": 0}
    async with group.unit(batch) as unit:
        if unit is None:
            return outcomes
        for record in unit.records:
            await unit.task.give_way()
            try:
                unit.state.learn(decode(record.value or b""))
                outcomes["applied"] += 1
            except BadFrame as error:
                letters = DEAD_LETTERS.topic(deps.settings.topic_prefix)
                rejected = Rejected("bad_frame", str(error))
                unit.send(dead_letter(batch, record, rejected, letters))
                outcomes["rejected"] += 1
    for outcome, count in outcomes.items():
        metrics.EVENTS.labels(agent, outcome).inc(count)
    return outcomes
