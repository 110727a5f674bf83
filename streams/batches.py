"""What was fetched and waits for an agent: a poll that waits grows.

Small fetches would otherwise queue up as small messages, each with the price of a message and of a
script in Redis, and each partition would add another. So an agent takes a poll: a batch for each
partition of its topic that has records. The records of a partition join its batch in the poll that
still waits; once an agent takes it, the next records begin another. What an agent takes is all
there is, and nothing waits behind other partitions or other agents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["WAITING_MAX", "Batch", "Inbox", "Poll"]

WAITING_MAX: Final = 2  # batches of a partition, before no more of it is fetched


@dataclass(slots=True)
class Batch:
    """Consecutive records of one partition.

    Nothing that consumers may see lies between `follows` and the first record, so whoever
    stands at a position >= `follows` misses nothing by applying this batch.
    """

    topic: str
    partition: int
    records: list[Any]  # as unpacked: offset, timestamp (ms), key, value, headers
    follows: int
    closed: bool = False  # nothing joins it any more

    def part(self, start: int, end: int) -> "Batch":
        """Return some of the records as a batch that follows those before them."""
        follows = self.follows if start == 0 else int(self.records[start - 1].offset) + 1
        return Batch(self.topic, self.partition, self.records[start:end], follows)

    @property
    def next_offset(self) -> int:
        """Return the offset after the last record."""
        return int(self.records[-1].offset) + 1


@dataclass(slots=True, eq=False, weakref_slot=True)
class Poll:
    """What waits of one topic: one batch for each of some partitions."""

    batches: dict[int, Batch] = field(default_factory=dict)
    taken: bool = False

    @classmethod
    def of(cls, *batches: Batch) -> "Poll":
        """Return a poll of these batches, of different partitions."""
        return cls({batch.partition: batch for batch in batches})

    def take(self) -> list[Batch]:
        """Return the batches by partition; from now on the poll is as it is."""
        self.taken = True
        return [self.batches[number] for number in sorted(self.batches)]


class Inbox:
    """The polls of one worker that no agent has taken yet. Lives in the agents' event loop."""

    def __init__(self, batch_records: int) -> None:
        self._batch_records = batch_records
        self._waiting: dict[str, list[Poll]] = {}

    def add(self, tp: tuple[str, int], records: Sequence[Any], follows: int) -> list[Poll]:
        """Take in fetched records; returns the polls that are new and must be delivered."""
        topic, partition = tp
        fetched = Batch(topic, partition, list(records), follows)
        polls = self._untaken(topic)
        at = max((i for i, poll in enumerate(polls) if partition in poll.batches), default=-1)
        start = self._join(polls[at].batches[partition], fetched) if at >= 0 else 0
        known = len(polls)
        while start < len(fetched.records):
            batch = fetched.part(start, start + self._batch_records)
            start += len(batch.records)
            at += 1
            if at < len(polls):
                polls[at].batches[partition] = batch
            else:
                polls.append(Poll.of(batch))
        return polls[known:]

    def is_full(self, tp: tuple[str, int]) -> bool:
        """Whether enough of a partition waits."""
        topic, partition = tp
        waiting = [poll.batches.get(partition) for poll in self._untaken(topic)]
        return sum(batch is not None and not batch.closed for batch in waiting) >= WAITING_MAX

    def forget(self, tp: tuple[str, int]) -> None:
        """Let nothing join what waits: the consumer is sent elsewhere, or it may have been lost."""
        topic, partition = tp
        for poll in self._untaken(topic):
            if partition in poll.batches:
                poll.batches[partition].closed = True

    def forget_all(self) -> None:
        """Let nothing join anything: all that waits was dropped."""
        self._waiting.clear()

    def _untaken(self, topic: str) -> list[Poll]:
        waiting = [poll for poll in self._waiting.get(topic, ()) if not poll.taken]
        self._waiting[topic] = waiting
        return waiting

    def _join(self, last: Batch, fetched: Batch) -> int:
        """Add to a batch what follows it without a gap and fits; returns how many records did."""
        if last.closed or fetched.follows != last.next_offset:
            return 0
        room = self._batch_records - len(last.records)
        joined = fetched.records[: max(0, room)]
        last.records.extend(joined)
        return len(joined)
