"""What a fetch vouches for: the offset that its records follow."""

from streams.gates import Gates, TopicPartition

TP = TopicPartition("plays", 0)


def test_managed_topics_are_closed_until_opened_and_others_are_open() -> None:
    gates = Gates()
    gates.manage("plays")
    assert not gates.admits(TP)
    assert gates.admits(TopicPartition("other", 0))
    gates.open(TP)
    assert gates.admits(TP)
    assert not gates.admits(TopicPartition("plays", 1))
    gates.close(TP)
    assert not gates.admits(TP)


def test_fetches_in_a_row_follow_each_other_over_holes() -> None:
    gates = Gates()
    gates.sought(TP, 10)
    assert gates.drained(TP, 12, 19) == 10  # 10 and 11 were markers
    assert gates.drained(TP, 25, 30) == 20
    assert gates.drained(TP, 31, 31) == 31


def test_a_fetch_that_was_lost_is_vouched_for_by_nobody() -> None:
    gates = Gates()
    gates.sought(TP, 0)
    gates.drained(TP, 0, 9)  # taken, then lost on its way
    assert gates.drained(TP, 10, 19) == 10  # whoever stands at 0 sees the gap


def test_first_fetch_without_a_seek_vouches_for_itself_alone() -> None:
    assert Gates().drained(TP, 7, 9) == 7


def test_after_somebody_seeked_back_records_vouch_for_themselves() -> None:
    gates = Gates()
    gates.sought(TP, 0)
    gates.drained(TP, 0, 99)
    assert gates.drained(TP, 40, 49) == 40  # Faust seeked back without telling
    assert gates.drained(TP, 52, 60) == 50


def test_closing_forgets_what_was_taken() -> None:
    gates = Gates()
    gates.sought(TP, 0)
    gates.drained(TP, 0, 9)
    gates.close(TP)
    assert gates.drained(TP, 20, 29) == 20


def test_a_seek_is_where_the_next_fetch_begins() -> None:
    gates = Gates()
    gates.sought(TP, 0)
    gates.drained(TP, 0, 9)
    gates.sought(TP, 4)
    assert gates.drained(TP, 5, 9) == 4
