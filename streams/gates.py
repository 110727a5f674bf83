"""Which partitions may reach an agent, and from which offset on.

The transport asks before it fetches and stamps what it fetched; the partition tasks open and
close. It is the one object both sides share, so the rules that keep records from being lost
over a rebalance stand in one small file: fetched records can be dropped on their way in many
places (a cancelled fetch, a suspended flow, a cleared queue), so each batch says what it follows,
and a task that stands before that sends the consumer back.
"""

from typing import NamedTuple

__all__ = ["Gates", "TopicPartition"]


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Gates:
    """The gates of all managed topics of one worker.

    A gate opens after the consumer was told to seek to the task's position. `sought` and
    `drained` are called in the consumer's thread, in the same step as the seek or the fetch, so
    that what they note is what happened, whoever then loses the result on its way.
    """

    def __init__(self) -> None:
        self._managed: set[str] = set()
        self._open: set[tuple[str, int]] = set()
        self._drained_to: dict[tuple[str, int], int] = {}

    def manage(self, topic: str) -> None:
        """Let nothing of `topic` through until its partitions are opened one by one."""
        self._managed.add(topic)

    def admits(self, tp: tuple[str, int]) -> bool:
        """Whether records of this partition may be fetched now."""
        return tp[0] not in self._managed or tp in self._open

    def open(self, tp: tuple[str, int]) -> None:
        """Let records through."""
        self._open.add(tp)

    def close(self, tp: tuple[str, int]) -> None:
        """Let nothing through. What is on its way is refused by the task."""
        self._open.discard(tp)
        self._drained_to.pop(tp, None)

    def sought(self, tp: tuple[str, int], offset: int) -> None:
        """Note that the consumer was sent to `offset`."""
        self._drained_to[tp] = offset

    def drained_to(self, tp: tuple[str, int]) -> int | None:
        """Return the offset after the last record taken since the last seek, None if unknown."""
        return self._drained_to.get(tp)

    def drained(self, tp: tuple[str, int], first: int, last: int) -> int:
        """Note that records `first..last` were taken; return the offset they follow.

        Offsets have holes (transaction markers, compaction), so the records cover everything
        from the end of those taken before. Where that is not known, or somebody seeked back,
        they vouch for themselves alone.
        """
        follows = min(first, self._drained_to.get(tp, first))
        self._drained_to[tp] = last + 1
        return follows
