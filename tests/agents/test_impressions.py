"""The agent `impressions`: acceptance is counted once, what was dismissed is hidden."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import Counter as CounterMetric

from models.recommend.impressions import ImpressionWindow
from models.recommend.kernels.listener import HIDDEN
from models.recommend.said import Statement
from schemas.codec import EventDecoder, Rejected, encode_event
from schemas.events import PlayEvent
from schemas.impressions import Action, Impression, ShownEntry
from schemas.outputs import STRATEGIES, format_version
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


@pytest.fixture
def weighed() -> Iterator[Any]:  # Any: a function without arguments
    def now() -> list[dict[str, float]]:
        found: list[dict[str, float]] = []
        for metric in (metrics.EXPLORED, metrics.EXPLORED_TAPPED):
            (family,) = metric.collect()
            found.append(defaultdict(float))
            for row in family.samples:
                found[-1][row.labels["source"]] += row.value if "_total" in row.name else 0
        return found

    before = now()
    yield lambda: [
        {
            name: value - then.get(name, 0.0)
            for name, value in each.items()
            if value != then.get(name, 0.0)
        }
        for each, then in zip(now(), before, strict=True)
    ]


def by_cohort(metric: CounterMetric) -> Counter[tuple[str, str]]:
    """What a metric holds by arm or source, and cohort; all lists together."""
    found: Counter[tuple[str, str]] = Counter()
    for row in next(iter(metric.collect())).samples:
        if row.name.endswith("_total"):
            labels = row.labels
            found[labels.get("arm", labels.get("source", "")), labels["cohort"]] += round(row.value)
    return found


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


async def test_entries_and_explored_tracks_count_for_the_cohort_of_their_listener(
    bed: AgentBed,
) -> None:
    await listeners(bed)
    arms = bed.task("listeners").state.arms
    ann, bob = (str(arms.cohort(user)) for user in ("ann", "bob"))
    assert ann != bob
    shown_before, tapped_before, explored_before = map(
        by_cohort, (metrics.COHORT_SHOWN, metrics.COHORT_TAPPED, metrics.EXPLORED)
    )
    events = [
        shown("i1", entry("a", "tapped"), entry("b", "seen"), entry("c", "dismissed")),
        shown("i2", ShownEntry("d", 9, "seen", "explore_near", 0.01), user_id="bob", arm="gone"),
    ]
    assert await bed.put("impressions", events) == {"applied": 2}
    gained_shown = by_cohort(metrics.COHORT_SHOWN) - shown_before
    assert gained_shown == {("default", ann): 3, ("other", bob): 1}
    assert by_cohort(metrics.COHORT_TAPPED) - tapped_before == {("default", ann): 1}
    assert by_cohort(metrics.EXPLORED) - explored_before == {("explore_near", bob): 100}


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


async def test_explored_entry_that_is_tapped_raises_its_strategy_and_is_weighed(
    bed: AgentBed, gained: Any, weighed: Any
) -> None:
    await listeners(bed)
    bandit = bed.task("listeners").state.bandit
    assert bandit.chances(0.1).new == pytest.approx(1 / 3)
    entries = [
        ShownEntry("a", 9, "seen", "explore_near", 0.01),
        ShownEntry("a", 9, "tapped", "explore_new", 0.005),
        ShownEntry("a", 9, "tapped", "explore_new"),
        ShownEntry("a", 9, "dismissed", "explore_new", 1e-300),
    ]
    events = [shown(f"i{i}", each) for i, each in enumerate(entries)]
    assert await bed.put("impressions", [*events, events[1]]) == {"applied": 4, "duplicate": 1}
    assert bandit.chances(0.1).new == pytest.approx(0.8)
    assert gained() == {
        ("default", "discover", source, action): count
        for source, action, count in (
            ("explore_near", "seen", 1),
            ("explore_new", "tapped", 2),
            ("explore_new", "dismissed", 1),
        )
    }
    most = 1000 / (0.1 * 0.3 / 3)
    assert weighed() == [
        pytest.approx({"explore_near": 100.0, "explore_new": 200.0 + most}),
        pytest.approx({"explore_new": 200.0}),
    ]


async def test_what_the_bandit_learned_is_committed_and_restored(bed: AgentBed) -> None:
    await listeners(bed)
    task = bed.task("listeners")
    await bed.put("impressions", [shown("i1", entry("a", "tapped", "explore_trending"))])
    await task.flush()
    restored = task.stage.new_state(0)
    for key, value in bed.log.last_values(bed.topic("listeners-changelog"), 0).items():
        restored.restore(key, value)
    assert restored.bandit.chances(0.1) == task.state.bandit.chances(0.1)
    assert restored.bandit.chances(0.1).trending == pytest.approx(0.8)


async def test_lists_in_redis_explore_and_say_with_which_probability() -> None:
    async with AgentBed(exploration_share=1.0, list_length=1) as bed:
        await listeners(bed)
        found, following = bed.sink.discover("ann"), bed.sink.next("ann")
    assert found is not None
    assert following is not None
    # Of the two tracks that trend one is listed, and the other is all there is to explore.
    assert found.sources[0] in STRATEGIES
    assert {*found.track_ids, *following.track_ids} <= {"x", "y"}
    assert found.propensity == pytest.approx(1 / 3)
    assert following.propensity == 0


@pytest.mark.parametrize("propensity", [-0.1, 1.1])
def test_propensity_of_an_entry_is_a_probability(propensity: float) -> None:
    raw = shown("i", ShownEntry("a", 0, "seen", "explore_new", propensity))
    assert isinstance(EventDecoder(Impression).decode(raw), Rejected)


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
