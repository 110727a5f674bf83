"""The agent `impressions`: acceptance is counted once, what was dismissed is hidden."""

from collections.abc import Iterator
from typing import Any

import pytest

from models.recommend.impressions import ImpressionWindow
from models.recommend.kernels.listener import HIDDEN
from models.recommend.said import Statement
from schemas.codec import EventDecoder, Rejected, encode_event
from schemas.events import PlayEvent
from schemas.impressions import Action, Impression, ShownEntry
from schemas.outputs import format_version
from segue.telemetry import metrics
from segue.testing.agent_bed import AgentBed
from segue.testing.manual_clock import START_MS

VERSION = format_version(START_MS, 1)
Labels = tuple[str, str, str, str]


def shown(name: str, *entries: ShownEntry, **fields: Any) -> bytes:
    values: dict[str, Any] = {
        "user_id": "ann",
        "kind": "discover",
        "version": VERSION,
        "at_ms": START_MS,
    }
    return encode_event(Impression(event_id=name, entries=entries, **(values | fields)))


def entry(track: str, action: Action, source: str | None = "together") -> ShownEntry:
    return ShownEntry(track, 0, action, source)


def counted() -> dict[Labels, float]:
    return {
        (labels["arm"], labels["list"], labels["source"], labels["action"]): row.value
        for family in metrics.SHOWN.collect()
        for row in family.samples
        if row.name.endswith("_total")
        for labels in (row.labels,)
    }


@pytest.fixture
def gained() -> Iterator[Any]:  # Any: a function without arguments
    before = counted()
    yield lambda: {
        key: count - before.get(key, 0.0)
        for key, count in counted().items()
        if count != before.get(key, 0.0)
    }


async def listeners(bed: AgentBed) -> None:
    """Two tracks that trend, and ann, whose lists hold both."""
    for track, user in (("x", "bob"), ("y", "cid")):
        play = PlayEvent(f"{user}-{track}", user, track, START_MS, 9000, 9000, "finished")
        await bed.put("plays", [encode_event(play)])
    await bed.task("listeners").flush()
    counts = [record.value for record in bed.log.records(bed.topic("trend-counts"))]
    await bed.put("trend-counts", counts)
    await bed.task("trends").flush()
    bed.clock.advance(s=2)
    play = PlayEvent("ann-z", "ann", "z", START_MS, 9000, 9000, "finished")
    await bed.put("plays", [encode_event(play)])


def lists(bed: AgentBed) -> tuple[set[str], set[str]]:
    found = bed.sink.next("ann"), bed.sink.discover("ann")
    following, new = ({*each.track_ids} if each else set() for each in found)
    return following, new


async def test_entries_count_by_arm_list_source_and_action(bed: AgentBed, gained: Any) -> None:
    entries = (
        entry("a", "seen"),
        entry("b", "seen"),
        entry("c", "tapped", "popular"),
        entry("d", "dismissed", None),
        entry("e", "seen", "a newer source"),
    )
    assert await bed.put("impressions", [shown("i1", *entries)]) == {"applied": 1}
    assert gained() == {
        ("default", "discover", "together", "seen"): 2,
        ("default", "discover", "popular", "tapped"): 1,
        ("default", "discover", "other", "dismissed"): 1,
        ("default", "discover", "other", "seen"): 1,
    }


async def test_arm_is_that_of_the_list_shown_or_else_the_listeners(gained: Any) -> None:
    async with AgentBed(arms="default=50,popular=50") as bed:
        events = [
            shown("i1", entry("a", "seen"), user_id="u0"),
            shown("i2", entry("a", "seen"), user_id="u1"),
            shown("i3", entry("a", "seen"), user_id="u0", arm="popular"),
            shown("i4", entry("a", "seen"), user_id="u0", arm="of last year"),
        ]
        assert await bed.put("impressions", events) == {"applied": 4}
    assert gained() == {
        (arm, "discover", "together", "seen"): count
        for arm, count in (("default", 1), ("popular", 2), ("other", 1))
    }


async def test_repeated_impression_changes_nothing(bed: AgentBed, gained: Any) -> None:
    await listeners(bed)
    event = shown("i1", entry("x", "dismissed"))
    assert await bed.put("impressions", [event, event]) == {"applied": 1, "duplicate": 1}
    data, before = dict(bed.sink.redis.data), gained()
    assert await bed.put("impressions", [event]) == {"duplicate": 1}
    assert (bed.sink.redis.data, gained()) == (data, before)
    other = shown("i1", entry("x", "seen"), user_id="bob")
    assert await bed.put("impressions", [other]) == {"applied": 1}, "ids are their listener's"


async def test_dismissed_track_is_hidden_from_both_lists_at_once(bed: AgentBed) -> None:
    await listeners(bed)
    assert lists(bed) == ({"x", "y"}, {"x", "y"})
    await bed.put("impressions", [shown("i1", entry("x", "dismissed"), entry("y", "tapped"))])
    assert lists(bed) == ({"y"}, {"y"})
    known = bed.task("listeners").state.snapshot("ann")
    assert known.said == [Statement(HIDDEN, "x", START_MS)]


async def test_what_was_dismissed_is_kept_by_the_changelog(bed: AgentBed) -> None:
    await listeners(bed)
    await bed.put("impressions", [shown("i1", entry("x", "dismissed"))])
    task = bed.task("listeners")
    await task.flush()
    restored = task.stage.new_state(0)
    for key, value in bed.log.last_values(bed.topic("listeners-changelog"), 0).items():
        restored.restore(key, value)
    assert restored.snapshot("ann") == task.state.snapshot("ann")


async def test_what_was_only_seen_writes_no_list_and_makes_nobody_known(bed: AgentBed) -> None:
    await listeners(bed)
    data = dict(bed.sink.redis.data)
    events = [shown("i1", entry("x", "seen")), shown("i2", entry("x", "tapped"), user_id="new")]
    assert await bed.put("impressions", events) == {"applied": 2}
    assert bed.sink.redis.data == data
    assert bed.task("listeners").state.slot("new") is None


def test_window_of_ids_is_bounded() -> None:
    window = ImpressionWindow(size=2)
    decode = EventDecoder(Impression).decode

    def new(name: str) -> bool:
        events = decode(shown(name, entry("a", "seen")))
        assert not isinstance(events, Rejected)
        return window.new(events)[0]

    assert [new(name) for name in ("a", "b", "a", "c", "a")] == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("track", "reason"),
    [("a\nb", "out_of_range"), ("ü" * 129, "id_too_long"), ("", "out_of_range")],
)
def test_track_of_an_entry_is_checked_as_any_id(track: str, reason: str) -> None:
    found = EventDecoder(Impression).decode(shown("i", entry("fine", "seen"), entry(track, "seen")))
    assert isinstance(found, Rejected)
    assert found.reason == reason
