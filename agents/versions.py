"""Versions of a partition's lists that only grow, whoever owns the partition.

Lists follow from two inputs, plays and feedback, so a list's version counts the records of both.
An owner that died may have written lists from records it never committed. The next owner applies
those again, but maybe feedback before plays and in other batches: its sums then run behind those in
Redis, and a list that lacks a new block would be kept because its number is higher. So the number
of the owner comes first: the generation of the consumer group in which it took the partition. A
former owner that wakes up has a lower one, and its lists are refused. Should the group itself begin
anew, the owner counts on from the newest number that was given out.
"""

from typing import Final
from weakref import WeakKeyDictionary

import orjson

from agents.deps import Deps
from models.recommend.listeners import ListenerState
from schemas.outputs import VERSION_START, VERSION_WIDTH, format_version
from schemas.rediskeys import newest_key
from streams.task import PartitionTask

__all__ = ["ListVersions"]

Task = PartitionTask[ListenerState]

_EPOCH_WIDTH: Final = 13
OWNER: Final = 10**10
"""Room for the records of a partition; the version has room for a million owners."""


class ListVersions:
    """One for a worker. A task kept over a rebalance keeps its numbers: nobody else wrote."""

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

    def note(self, task: Task, version: str) -> tuple[str, bytes]:
        """Return key and value to write along with lists of `version`."""
        return newest_key(task.stage.name, task.partition), orjson.dumps({"version": version})


def _number_of(held: bytes, epoch_ms: int) -> int:
    """Return the number in a noted version, 0 if it is of a topic that was there before this."""
    version = held[VERSION_START : VERSION_START + VERSION_WIDTH]
    if version[:_EPOCH_WIDTH] != b"%013d" % epoch_ms:
        return 0
    return int(version[_EPOCH_WIDTH + 1 :])
