"""What waits for an agent: polls that grow, without gaps, and not for ever."""

from collections.abc import Iterable
from dataclasses import dataclass

from streams.batches import WAITING_MAX, Batch, Inbox, Poll

TP = ("plays", 0)
OTHER = ("plays", 1)


@dataclass(frozen=True)
class Record:
    offset: int


def records(first: int, last: int) -> list[Record]:
    return [Record(offset) for offset in range(first, last + 1)]


def span(batch: Batch) -> tuple[int, int, int]:
    """Where a batch begins and ends, and what it follows."""
    return batch.records[0].offset, batch.records[-1].offset, batch.follows


def spans(polls: Iterable[Poll]) -> list[tuple[int, int, int]]:
    """The batches of partition 0 in some polls."""
    return [span(poll.batches[0]) for poll in polls]


def test_records_join_the_batch_that_waits() -> None:
    inbox = Inbox(batch_records=10)
    (poll,) = inbox.add(TP, records(0, 2), 0)
    assert [*inbox.add(TP, records(3, 5), 3)] == []
    assert span(poll.batches[0]) == (0, 5, 0)
    assert poll.batches[0].next_offset == 6


def test_partitions_of_a_topic_share_the_poll_that_waits_and_topics_do_not() -> None:
    inbox = Inbox(batch_records=10)
    (poll,) = inbox.add(OTHER, records(7, 8), 7)
    assert [*inbox.add(TP, records(0, 2), 0)] == []
    (pairs,) = inbox.add(("pairs", 0), records(4, 4), 4)
    assert [(batch.partition, span(batch)) for batch in poll.take()] == [
        (0, (0, 2, 0)),
        (1, (7, 8, 7)),
    ]
    assert [span(batch) for batch in pairs.take()] == [(4, 4, 4)]


def test_a_poll_that_was_taken_stays_as_it_is() -> None:
    inbox = Inbox(batch_records=10)
    (first,) = inbox.add(TP, records(0, 2), 0)
    (taken,) = first.take()
    (second,) = inbox.add(TP, records(3, 5), 3)
    assert [*inbox.add(OTHER, records(0, 1), 0)] == []
    assert (span(taken), [*first.batches]) == ((0, 2, 0), [0])
    assert ([*second.batches], spans([second])) == ([0, 1], [(3, 5, 3)])


def test_what_does_not_fit_begins_another_that_follows_without_a_gap() -> None:
    inbox = Inbox(batch_records=4)
    first = [*inbox.add(TP, records(0, 2), 0)]
    following = [*inbox.add(TP, records(3, 9), 3)]
    assert spans(first + following) == [(0, 3, 0), (4, 7, 4), (8, 9, 8)]


def test_a_partition_that_comes_later_stands_in_the_polls_that_wait_already() -> None:
    inbox = Inbox(batch_records=2)
    polls = [*inbox.add(OTHER, records(0, 3), 0)]
    assert len(polls) == 2
    (third,) = inbox.add(TP, records(0, 4), 0)
    assert spans([*polls, third]) == [(0, 1, 0), (2, 3, 2), (4, 4, 4)]


def test_holes_between_records_are_followed_over() -> None:
    inbox = Inbox(batch_records=2)
    polls = inbox.add(TP, [Record(3), Record(4), Record(9)], 1)  # 1, 2, 5 to 8: markers
    assert spans(polls) == [(3, 4, 1), (9, 9, 5)]


def test_records_after_a_gap_or_of_the_past_join_nothing() -> None:
    inbox = Inbox(batch_records=10)
    [*inbox.add(TP, records(0, 2), 0)]
    after_gap = [*inbox.add(TP, records(5, 6), 5)]  # what was taken between was lost on its way
    again = [*inbox.add(TP, records(2, 4), 2)]  # somebody sought back
    assert spans(after_gap + again) == [(5, 6, 5), (2, 4, 2)]


def test_nothing_joins_a_batch_that_may_have_been_lost() -> None:
    inbox = Inbox(batch_records=10)
    (poll,) = inbox.add(TP, records(0, 2), 0)
    [*inbox.add(OTHER, records(0, 0), 0)]
    inbox.forget(TP)
    (following,) = inbox.add(TP, records(3, 4), 3)
    assert [*inbox.add(OTHER, records(1, 1), 1)] == []
    assert spans([following]) == [(3, 4, 3)]
    assert span(poll.batches[1]) == (0, 1, 0)


def test_a_flow_that_begins_anew_waits_for_nothing_that_was_dropped() -> None:
    inbox = Inbox(batch_records=1)
    [*inbox.add(TP, records(0, WAITING_MAX - 1), 0)]
    inbox.forget_all()
    assert not inbox.is_full(TP)
    polls = inbox.add(TP, records(WAITING_MAX, WAITING_MAX), WAITING_MAX)
    assert spans(polls) == [(WAITING_MAX, WAITING_MAX, WAITING_MAX)]


def test_what_nothing_may_join_does_not_keep_its_partition_full() -> None:
    inbox = Inbox(batch_records=1)
    inbox.add(TP, records(0, WAITING_MAX - 1), 0)
    inbox.forget(TP)
    assert not inbox.is_full(TP)


def test_parts_of_a_batch_follow_each_other() -> None:
    batch = Batch("plays", 0, [Record(3), Record(4), Record(9)], 1)
    assert [span(batch.part(0, 2)), span(batch.part(2, 3))] == [(3, 4, 1), (9, 9, 5)]


def test_a_partition_is_full_until_its_batches_are_taken_and_others_are_not() -> None:
    inbox = Inbox(batch_records=1)
    polls = [*inbox.add(TP, records(0, WAITING_MAX - 1), 0)]
    assert inbox.is_full(TP)
    assert not inbox.is_full(OTHER)
    polls[0].take()
    assert not inbox.is_full(TP)
