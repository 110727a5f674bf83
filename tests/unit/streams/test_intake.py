"""Records become events of this partition, in the order of their times; nothing is lost."""

from collections.abc import Sequence

import msgspec
import pytest

from schemas.codec import EventDecoder, encode_event
from schemas.events import PlayEvent
from schemas.internal import (
    HEADER_DETAIL,
    HEADER_OFFSET,
    HEADER_PARTITION,
    HEADER_REASON,
    HEADER_REQUEUED,
    HEADER_TIMESTAMP_MS,
    HEADER_TOPIC,
)
from schemas.murmur2 import partition_of
from segue.telemetry import metrics
from segue.testing.counting import CountState
from segue.testing.memory_app import MemoryApp, as_batch
from segue.testing.memory_log import Headers, MemoryRecord
from segue.testing.memory_stage import MemoryStage, open_task
from segue.testing.servers import fresh_settings
from streams.deadletter import BadShare
from streams.intake import FUTURE_MAX_MS, Intake, IntakeLimits, Taken
from streams.tasks import TaskGroup
from streams.unit import Unit

NOW_MS = 1_700_000_000_000
PARTITIONS = 4


def user_of(partition: int, number: int = 0) -> str:
    users = (f"u{i}" for i in range(1000))
    mine = [user for user in users if partition_of(user.encode(), PARTITIONS) == partition]
    return mine[number]


OURS = user_of(0)


def play(name: str, at_ms: int = NOW_MS, user: str = OURS) -> PlayEvent:
    return PlayEvent(name, user, "track", at_ms, 1000, 2000, "finished")


def record(
    value: bytes | None, offset: int = 0, headers: Headers = (), timestamp: int = NOW_MS
) -> MemoryRecord:
    return MemoryRecord("plays", 0, offset, timestamp, b"key", value, headers)


def new_intake(window: int = 4, share_max: float = 0.5) -> Intake[PlayEvent]:
    return Intake(
        EventDecoder(PlayEvent, 10_000),
        time_ms="started_at_ms",
        dead_letters="dead",
        limits=IntakeLimits(PARTITIONS, window, share_max),
    )


async def take(
    records: Sequence[MemoryRecord], intake: Intake[PlayEvent] | None = None
) -> tuple[Taken[PlayEvent], Unit[CountState]]:
    app = MemoryApp()
    group = TaskGroup(
        MemoryStage(inputs=("plays",)), app=app.as_segue_app, settings=fresh_settings()
    )
    task = await open_task(group)
    unit = Unit(task, as_batch("plays", 0, list(records)), list(records))
    return (intake or new_intake()).read(unit), unit


async def test_bad_bytes_become_dead_letters_and_good_ones_pass() -> None:
    before = metrics.DEAD_LETTERS.labels("plays", "not_json")._value.get()
    good = play("e1")
    taken, unit = await take([record(b"{", 5), record(encode_event(good), 6), record(None, 7)])
    assert taken.events == [good]
    assert (taken.rejected, taken.forwarded) == (2, 0)
    assert taken.tally() == {"rejected": 2}
    assert [(o.topic, o.partition, o.key, o.value) for o in unit.outputs] == [
        ("dead", 0, b"key", b"{"),
        ("dead", 0, b"key", b""),
    ]
    assert metrics.DEAD_LETTERS.labels("plays", "not_json")._value.get() == before + 1


async def test_dead_letter_says_where_it_came_from_and_why_and_keeps_foreign_headers() -> None:
    headers = (("trace", b"abc"), (HEADER_REASON, b"an older one"))
    _, unit = await take([record(b"[1]", 42, headers, timestamp=NOW_MS + 3)])
    held = dict(unit.outputs[0].headers)
    assert len(unit.outputs[0].headers) == len(held)
    detail = held.pop(HEADER_DETAIL)
    assert b"object" in detail
    assert held == {
        HEADER_TOPIC: b"plays",
        HEADER_PARTITION: b"0",
        HEADER_OFFSET: b"42",
        HEADER_TIMESTAMP_MS: str(NOW_MS + 3).encode(),
        HEADER_REASON: b"wrong_type",
        "trace": b"abc",
    }


async def test_array_with_one_bad_event_is_one_dead_letter() -> None:
    raw = msgspec.json.encode([play("a"), {"event_id": "b"}])
    taken, unit = await take([record(raw)])
    assert taken.events == []
    assert [output.value for output in unit.outputs] == [raw]


async def test_array_holds_events_of_several_partitions() -> None:
    mine, other = play("a"), play("b", user=user_of(2))
    taken, unit = await take([record(msgspec.json.encode([other, mine]))])
    assert taken.events == [mine]
    assert (taken.forwarded, taken.rejected) == (1, 0)
    assert [(o.topic, o.partition, o.key) for o in unit.outputs] == [
        ("plays", 2, other.user_id.encode())
    ]
    assert EventDecoder(PlayEvent).decode(unit.outputs[0].value) == [other]


async def test_forwarded_event_keeps_its_headers_and_timestamp() -> None:
    headers = ((HEADER_REQUEUED, b"1"), ("trace", b"x"))
    other = play("b", user=user_of(1))
    _, unit = await take([record(encode_event(other), 3, headers, timestamp=NOW_MS - 5)])
    (forwarded,) = unit.outputs
    assert forwarded.headers == headers
    assert forwarded.timestamp_ms == NOW_MS - 5


async def test_event_a_day_ahead_of_its_record_is_taken_and_beyond_that_is_not() -> None:
    edge = play("edge", NOW_MS + FUTURE_MAX_MS)
    beyond = play("beyond", NOW_MS + FUTURE_MAX_MS + 1)
    taken, unit = await take([record(encode_event(edge), 0), record(encode_event(beyond), 1)])
    assert taken.events == [edge]
    assert dict(unit.outputs[0].headers)[HEADER_REASON] == b"in_future"


async def test_events_are_sorted_by_time_and_equal_times_keep_their_order() -> None:
    plays = [play("c", NOW_MS + 2), play("a1", NOW_MS), play("a2", NOW_MS), play("b", NOW_MS + 1)]
    taken, _ = await take([record(encode_event(p), i) for i, p in enumerate(plays)])
    assert [p.event_id for p in taken.events] == ["a1", "a2", "b", "c"]


async def test_requeued_events_are_exempt_from_lateness_wherever_sorting_puts_them() -> None:
    requeued = ((HEADER_REQUEUED, b"1"),)
    taken, _ = await take(
        [
            record(encode_event(play("new", NOW_MS)), 0),
            record(encode_event(play("old", NOW_MS - 10)), 1, requeued),
        ]
    )
    assert [p.event_id for p in taken.events] == ["old", "new"]
    assert taken.exempt == [True, False]


async def test_nothing_requeued_gives_no_exemptions() -> None:
    taken, _ = await take([record(encode_event(play("new")))])
    assert taken.exempt == []


async def test_requeued_event_that_goes_elsewhere_exempts_no_other() -> None:
    """Objects of forwarded events are gone at once, and others take their place in memory."""
    requeued = ((HEADER_REQUEUED, b"1"),)
    records = [
        record(
            msgspec.json.encode([play(f"r{i}", user=user_of(1)) for i in range(20)]), 0, requeued
        ),
        *(record(encode_event(play(f"e{i}")), 1 + i) for i in range(200)),
        record(encode_event(play("last")), 300, requeued),
    ]
    taken, _ = await take(records)
    assert [p.event_id for p, exempt in zip(taken.events, taken.exempt, strict=True) if exempt] == [
        "last"
    ]


async def test_intake_trips_when_more_than_the_share_is_bad() -> None:
    intake = new_intake(window=4, share_max=0.5)
    good, bad = record(encode_event(play("e"))), record(b"bad")
    await take([good, good, bad, bad], intake)
    assert not intake.bad_share(0).tripped
    await take([bad], intake)
    assert intake.bad_share(0).tripped
    assert not intake.bad_share(1).tripped  # each partition has its own


def share_of(*bad: bool, window: int = 4, share_max: float = 0.5) -> BadShare:
    share = BadShare(window, share_max)
    share.note(bad)
    return share


def test_bad_share_needs_a_full_window() -> None:
    share = share_of(True, True, True)
    assert not share.tripped
    share.note([True])
    assert share.tripped


def test_accepted_bad_share_stays_quiet_until_it_was_good_again() -> None:
    share = share_of(True, True, True, True)
    share.accept()
    assert not share.tripped
    share.note([True])
    assert not share.tripped  # still the same flood
    share.note([False, False])
    assert not share.tripped  # two of four: at the limit, armed again
    share.note([True, True, True])
    assert share.tripped


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_bad_share_counts_the_last_of_the_window_however_they_are_cut(size: int) -> None:
    noted = [True, True, False, True, False, False, True, True, True]
    share = BadShare(4, 0.5)
    for start in range(0, len(noted), size):
        share.note(noted[start : start + size])
    assert share.tripped
