"""Versions of a partition's values that only grow, whoever owns the partition.

Lists follow from several inputs (plays, feedback), so a version counts the records of all of them.
An owner that died may have written values of records it never committed. The next owner applies
those again, but maybe feedback before plays and in other batches: its sums then run behind those in
Redis, and a list that lacks a new block would be kept because its number is higher. So the number
of the owner comes first: the generation of the consumer group in which it took the partition. A
former owner that wakes up has a lower one, and what it writes is refused. Should the group itself
begin anew, the owner counts on from the newest number that was given out.
"""

from typing import Any, Final
from weakref import WeakKeyDictionary

from agents.deps import Deps
from schemas.outputs import format_version
from schemas.rediskeys import newest_key
from streams.task import PartitionTask

__all__ = ["Versions"]

Task = PartitionTask[Any]  # of any stage

_EPOCH_WIDTH: Final = 13
OWNER: Final = 10**10
"""Room for the records of a partition; the version has room for a million owners."""


class Versions:
    """One for a stage. A task kept over a rebalance keeps its numbers: nobody else wrote."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._owners: WeakKeyDictionary[Task, int] = WeakKeyDictionary()

    async def at(self, task: Task, offset: int) -> str:
        """Return the version of what follows from `offset` (records of both inputs).

        Asks Redis at a task's first call, waiting while it is away; raises `Fenced` if the task is
        closed meanwhile.
        """
        epoch_ms = self._deps.epochs[task.stage.inputs[0]]
        owner = self._owners.get(task)
        if owner is None:
            key = newest_key(task.stage.name, task.partition)
            (held,) = await self._deps.sink.read([key], task)
            before = 0 if held is None else _number_of(held, epoch_ms) // OWNER
            owner = self._owners[task] = max(task.generation, before)
        return format_version(epoch_ms, owner * OWNER + offset)


def _number_of(held: bytes, epoch_ms: int) -> int:
    """Return the number in a version, 0 if it is of a topic that was there before this."""
    if held[:_EPOCH_WIDTH] != b"%013d" % epoch_ms:
        return 0
    return int(held[_EPOCH_WIDTH + 1 :])
