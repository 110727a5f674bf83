"""What waits for an agent: batches that grow, without gaps, and not for ever."""

from dataclasses import dataclass

from streams.batches import WAITING_MAX, Batch, Inbox

TP = ("plays", 0)


@dataclass(frozen=True)
class Record:
    offset: int


def records(first: int, last: int) -> list[Record]:
    return [Record(offset) for offset in range(first, last + 1)]


def span(batch: Batch) -> tuple[int, int, int]:
    """Where a batch begins and ends, and what it follows."""
    return batch.records[0].offset, batch.records[-1].offset, batch.follows


def test_records_join_the_batch_that_waits() -> None:
    inbox = Inbox(batch_records=10)
    (batch,) = inbox.add(TP, records(0, 2), 0)
    assert [*inbox.add(TP, records(3, 5), 3)] == []
    assert span(batch) == (0, 5, 0)
    assert batch.next_offset == 6


def test_a_batch_that_was_taken_stays_as_it_is() -> None:
    inbox = Inbox(batch_records=10)
    (first,) = inbox.add(TP, records(0, 2), 0)
    taken = first.take()
    (second,) = inbox.add(TP, records(3, 5), 3)
    assert [record.offset for record in taken] == [0, 1, 2]
    assert span(second) == (3, 5, 3)


def test_what_does_not_fit_begins_another_that_follows_without_a_gap() -> None:
    inbox = Inbox(batch_records=4)
    (first,) = inbox.add(TP, records(0, 2), 0)
    second, third = inbox.add(TP, records(3, 9), 3)
    assert [span(batch) for batch in (first, second, third)] == [(0, 3, 0), (4, 7, 4), (8, 9, 8)]


def test_holes_between_records_are_followed_over() -> None:
    inbox = Inbox(batch_records=2)
    first, second = inbox.add(TP, [Record(3), Record(4), Record(9)], 1)  # 1, 2, 5 to 8: markers
    assert (span(first), span(second)) == ((3, 4, 1), (9, 9, 5))


def test_records_after_a_gap_or_of_the_past_join_nothing() -> None:
    inbox = Inbox(batch_records=10)
    [*inbox.add(TP, records(0, 2), 0)]
    (after_gap,) = inbox.add(TP, records(5, 6), 5)  # what was taken between was lost on its way
    (again,) = inbox.add(TP, records(2, 4), 2)  # somebody sought back
    assert (span(after_gap), span(again)) == ((5, 6, 5), (2, 4, 2))


def test_nothing_joins_a_batch_that_may_have_been_lost() -> None:
    inbox = Inbox(batch_records=10)
    [*inbox.add(TP, records(0, 2), 0)]
    inbox.forget(TP)
    (batch,) = inbox.add(TP, records(3, 4), 3)
    assert span(batch) == (3, 4, 3)


def test_a_flow_that_begins_anew_waits_for_nothing_that_was_dropped() -> None:
    inbox = Inbox(batch_records=1)
    [*inbox.add(TP, records(0, WAITING_MAX - 1), 0)]
    inbox.forget_all()
    assert not inbox.is_full(TP)
    (batch,) = inbox.add(TP, records(WAITING_MAX, WAITING_MAX), WAITING_MAX)
    assert span(batch) == (WAITING_MAX, WAITING_MAX, WAITING_MAX)


def test_a_partition_is_full_until_its_batches_are_taken_and_others_are_not() -> None:
    inbox = Inbox(batch_records=1)
    batches = [*inbox.add(TP, records(0, WAITING_MAX - 1), 0)]
    assert inbox.is_full(TP)
    assert not inbox.is_full(("plays", 1))
    batches[0].take()
    assert not inbox.is_full(TP)
