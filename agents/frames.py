"""Frames from other partitions: added to the state, damaged ones to the dead letters."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from agents.deps import Deps
from agents.outcomes import count_outcomes
from schemas.codec import Rejected
from schemas.frames import BadFrame
from schemas.registry import DEAD_LETTERS
from streams.batches import Batch, Poll
from streams.deadletter import dead_letter
from streams.tasks import TaskGroup

__all__ = ["apply_frames"]

STEP_BYTES = 32_768  # a millisecond or two


async def apply_frames(
    group: TaskGroup[Any], poll: Poll, decode: Callable[[bytes], Any], *, agent: str, deps: Deps
) -> dict[str, int]:
    """Add each frame of the poll to its partition's state; returns the outcomes.

    A poll may hold seconds of work, so it is done in steps, each a unit of its own: between them
    lists and commits have their turn.
    """
    outcomes = {"applied": 0, "rejected": 0}
    letters = DEAD_LETTERS.topic(deps.settings.topic_prefix)
    for step in chain.from_iterable(map(_steps, poll.take())):
        if not group.is_open(step.partition):
            continue
        await group.give_way()
        async with group.units(Poll.of(step)) as units:
            for unit in units:
                for record in unit.records:
                    try:
                        unit.state.learn(decode(record.value or b""))
                        outcomes["applied"] += 1
                    except BadFrame as error:
                        rejected = Rejected("bad_frame", str(error))
                        unit.send(dead_letter(unit.batch, record, rejected, letters))
                        outcomes["rejected"] += 1
    count_outcomes(agent, outcomes)
    return outcomes


def _steps(batch: Batch) -> Iterator[Batch]:
    """Cut a batch into parts of one frame or STEP_BYTES."""
    start = size = 0
    for end, record in enumerate(batch.records):
        size += len(record.value or b"")
        if end > start and size > STEP_BYTES:
            yield batch.part(start, end)
            start, size = end, len(record.value or b"")
    yield batch.part(start, len(batch.records))
