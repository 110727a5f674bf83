"""The agent `feedback`: a block holds at once, and until it is taken back."""

from agents.versions import OWNER
from schemas.codec import encode_event
from schemas.events import Feedback, FeedbackKind, PlayEvent
from schemas.outputs import format_version
from segue.testing.agent_bed import AgentBed
from segue.testing.manual_clock import START_MS


def said(kind: FeedbackKind, track: str, name: str = "f") -> bytes:
    return encode_event(Feedback(f"{name}-{kind}-{track}", "ann", kind, track, START_MS))


def played(track: str, user: str) -> bytes:
    return encode_event(PlayEvent(f"{user}-{track}", user, track, START_MS, 9000, 9000, "finished"))


async def with_popular_tracks(bed: AgentBed) -> None:
    """Let `x` and `y` trend, and ann have lists of them."""
    await bed.put("plays", [played("x", "bob"), played("y", "cid")])
    await bed.task("listeners").flush()
    counts = [record.value for record in bed.log.records(bed.topic("trend-counts"))]
    await bed.put("trend-counts", counts)
    await bed.task("trends").flush()
    bed.clock.advance(s=2)
    await bed.put("plays", [played("z", "ann")])


def shown(bed: AgentBed) -> tuple[set[str], set[str]]:
    following, new = bed.sink.next("ann"), bed.sink.discover("ann")
    assert following is not None
    assert new is not None
    return {*following.track_ids}, {*new.track_ids}


async def test_blocked_track_leaves_both_lists_at_once(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    assert shown(bed) == ({"x", "y"}, {"x", "y"})
    assert await bed.put("feedback", [said("block_track", "x")]) == {"applied": 1}
    assert shown(bed) == ({"y"}, {"y"})


async def test_unblocked_track_comes_back(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    await bed.put("feedback", [said("block_track", "x")])
    assert await bed.put("feedback", [said("unblock_track", "x")]) == {"applied": 1}
    assert shown(bed) == ({"x", "y"}, {"x", "y"})


async def test_blocking_twice_is_blocking_once(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    outcomes = await bed.put("feedback", [said("block_track", "x"), said("block_track", "x", "g")])
    assert outcomes == {"applied": 1, "duplicate": 1}
    assert shown(bed) == ({"y"}, {"y"})


async def test_block_stays_when_the_listener_plays_on(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    await bed.put("feedback", [said("block_track", "x")])
    await bed.put("plays", [played("w", "ann")])
    assert shown(bed) == ({"y", "z"}, {"y"})  # z, which ann played before, may come again


async def test_feedback_and_plays_share_one_growing_version(bed: AgentBed) -> None:
    versions = []
    for agent, value in (
        ("plays", played("a", "ann")),
        ("feedback", said("block_track", "q")),
        ("plays", played("b", "ann")),
        ("feedback", said("unblock_track", "q")),
    ):
        await bed.put(agent, [value])
        served = bed.sink.next("ann")
        assert served is not None
        versions.append(served.version)
    assert versions == [format_version(START_MS, OWNER + n) for n in (1, 2, 3, 4)]


async def test_newcomer_may_block_before_the_first_play(bed: AgentBed) -> None:
    assert await bed.put("feedback", [said("block_track", "x")]) == {"applied": 1}
    assert bed.task("listeners").state.snapshot("ann").blocked == ["x"]
    assert shown(bed) == (set(), set())


async def test_poison_is_rejected_and_the_rest_applied(bed: AgentBed) -> None:
    like = said("block_track", "x").replace(b"block_track", b"like_artist")
    outcomes = await bed.put("feedback", [b"{", like, said("block_track", "x"), None])
    assert outcomes == {"rejected": 3, "applied": 1}
    assert bed.app.failure is None
