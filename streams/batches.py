"""What was fetched and waits for an agent: a batch that waits grows.

Small fetches would otherwise queue up as small batches, each with the price of a message and of a
script in Redis. The records of a partition join the batch of that partition that still waits;
once an agent takes it, the next records begin another. So what an agent takes is all there is, and
nothing waits behind other partitions or other agents.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["WAITING_MAX", "Batch", "Inbox"]

WAITING_MAX: Final = 2  # batches of a partition, before no more of it is fetched


@dataclass(slots=True, eq=False, weakref_slot=True)
class Batch:
    """Consecutive records of one partition.

    Nothing that consumers may see lies between `follows` and the first record, so whoever
    stands at a position >= `follows` misses nothing by applying this batch.
    """

    topic: str
    partition: int
    records: list[Any]  # as unpacked: offset, timestamp (ms), key, value, headers
    follows: int
    taken: bool = False

    @property
    def next_offset(self) -> int:
        """Return the offset after the last record."""
        return int(self.records[-1].offset) + 1

    def take(self) -> list[Any]:
        """Return the records; from now on the batch is as it is."""
        self.taken = True
        return self.records


class Inbox:
    """The batches of one worker that no agent has taken yet. Lives in the agents' event loop."""

    def __init__(self, batch_records: int) -> None:
        self._batch_records = batch_records
        self._waiting: dict[tuple[str, int], list[Batch]] = {}

    def add(self, tp: tuple[str, int], records: Sequence[Any], follows: int) -> Iterator[Batch]:
        """Take in fetched records; yields the batches that are new and must be delivered.

        A caller that stops iterating leaves the rest out, and the next fetch shows the gap.
        """
        waiting = self._untaken(tp)
        start = self._join(waiting[-1], records, follows) if waiting else 0
        while start < len(records):
            chunk = list(records[start : start + self._batch_records])
            begins = follows if start == 0 else int(records[start - 1].offset) + 1
            batch = Batch(*tp, chunk, begins)
            self._untaken(tp).append(batch)
            yield batch
            start += len(chunk)

    def is_full(self, tp: tuple[str, int]) -> bool:
        """Whether enough of a partition waits."""
        return len(self._untaken(tp)) >= WAITING_MAX

    def forget(self, tp: tuple[str, int]) -> None:
        """Let nothing join what waits: the consumer is sent elsewhere, or it may have been lost."""
        self._waiting.pop(tp, None)

    def forget_all(self) -> None:
        """Let nothing join anything: all that waits was dropped."""
        self._waiting.clear()

    def _untaken(self, tp: tuple[str, int]) -> list[Batch]:
        waiting = [batch for batch in self._waiting.get(tp, ()) if not batch.taken]
        self._waiting[tp] = waiting
        return waiting

    def _join(self, last: Batch, records: Sequence[Any], follows: int) -> int:
        """Add to a batch what follows it without a gap and fits; returns how many records did."""
        if follows != last.next_offset:
            return 0
        room = self._batch_records - len(last.records)
        joined = records[: max(0, room)]
        last.records.extend(joined)
        return len(joined)
