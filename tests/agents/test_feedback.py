"""The agent `feedback`: a block holds at once, and until it is taken back."""

from typing import Any

from agents.versions import OWNER
from models.recommend.said import Statement
from schemas.codec import encode_event
from schemas.events import Feedback, FeedbackKind, PlayEvent
from schemas.frames import ARTIST_MARK
from schemas.internal import HEADER_REASON
from schemas.outputs import encode_similar, format_version
from schemas.rediskeys import similar_key
from segue.testing.agent_bed import AgentBed
from segue.testing.manual_clock import START_MS

VERSION = format_version(START_MS, 0)


def said(kind: FeedbackKind, track: str | None, name: str = "f", **fields: Any) -> bytes:
    values: dict[str, Any] = {"event_id": f"{name}-{kind}", "user_id": "ann", "at_ms": START_MS}
    return encode_event(Feedback(kind=kind, track_id=track, **(values | fields)))


def played(track: str, user: str, artist: str | None = None) -> bytes:
    play = PlayEvent(
        f"{user}-{track}", user, track, START_MS, 9000, 9000, "finished", artist=artist
    )
    return encode_event(play)


async def with_popular_tracks(bed: AgentBed, artist: str | None = "Ex") -> None:
    """Let `x` of an artist and `y` trend, and ann have lists of them."""
    await bed.put("plays", [played("x", "bob", artist), played("y", "cid")])
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


async def test_tracks_of_a_blocked_artist_leave_both_lists_at_once(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    assert await bed.put("feedback", [said("block_artist", None, artist=" EX")]) == {"applied": 1}
    assert shown(bed) == ({"y"}, {"y"})
    await bed.put("plays", [played("w", "ann", "ex")])
    assert shown(bed) == ({"y", "z"}, {"y"})
    again = said("unblock_artist", None, artist="ex", at_ms=START_MS + 1)
    assert await bed.put("feedback", [again]) == {"applied": 1}
    assert shown(bed) == ({"x", "y", "z"}, {"x", "y"})


async def test_blocked_artist_is_known_from_rows_of_other_workers() -> None:
    async with AgentBed(partitions=2) as bed:
        await with_popular_tracks(bed, artist=None)
        for track, artist in (("x", "ex"), ("y", "why")):
            row = encode_similar(
                VERSION, track, at_ms=0, plays=1, columns=([], [], [], []), artist=artist
            )
            await bed.sink.redis.set(similar_key(track), row)
        await bed.put("feedback", [said("block_artist", None, artist="Why")])
        assert shown(bed) == ({"x"}, {"x"})


async def test_hidden_track_is_in_no_list_for_thirty_days(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    assert await bed.put("feedback", [said("hide", "x")]) == {"applied": 1}
    assert shown(bed) == ({"y"}, {"y"})
    bed.clock.advance(s=30 * 86_400 - 3)
    await bed.put("plays", [played("v", "ann")])
    assert shown(bed) == ({"y", "z"}, {"y"})
    bed.clock.advance(s=1)
    await bed.put("plays", [played("w", "ann")])
    assert shown(bed) == ({"x", "y", "v", "z"}, {"x", "y"})


async def test_hidden_track_comes_back_at_once_when_that_is_undone(bed: AgentBed) -> None:
    await with_popular_tracks(bed)
    await bed.put("feedback", [said("hide", "x")])
    assert await bed.put("feedback", [said("undo", "x")]) == {"applied": 1}
    assert await bed.put("feedback", [said("undo", "x")]) == {"duplicate": 1}
    assert shown(bed) == ({"x", "y"}, {"x", "y"})


async def test_like_adds_to_the_rows_of_its_artist_and_of_the_likes_before(bed: AgentBed) -> None:
    likes = [said("like", track, track, artist="Ex") for track in ("x", "y", "y")]
    assert await bed.put("feedback", likes) == {"applied": 2, "duplicate": 1}
    await bed.task("listeners").flush()
    await bed.put("pairs", [record.value for record in bed.log.records(bed.topic("pairs"))])
    rows = dict(bed.task("neighbours").state.drain_published(10))
    weights = {
        name: dict(zip(row.names, row.weights.tolist(), strict=True)) for name, row in rows.items()
    }
    artist = f"{ARTIST_MARK}ex"
    assert weights == {artist: {"x": 2520, "y": 2520}, "x": {"y": 2520}, "y": {"x": 2520}}


async def test_statement_without_a_subject_is_a_dead_letter(bed: AgentBed) -> None:
    nameless = said("block_artist", None, artist="Ex").replace(b'"Ex"', b'"  "')
    trackless = said("like", "x").replace(b"track_id", b"tracks_id")
    assert await bed.put("feedback", [nameless, trackless]) == {"rejected": 2}
    await bed.task("listeners").flush()
    letters = bed.log.records(bed.topic("dead-letters"))
    reasons = [dict(letter.headers)[HEADER_REASON] for letter in letters]
    assert reasons == [b"missing_field"] * 2


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
    assert bed.task("listeners").state.snapshot("ann").said == [Statement(2, "x", START_MS)]
    assert shown(bed) == (set(), set())


async def test_poison_is_rejected_and_the_rest_applied(bed: AgentBed) -> None:
    like = said("block_track", "x").replace(b"block_track", b"like_artist")
    outcomes = await bed.put("feedback", [b"{", like, said("block_track", "x"), None])
    assert outcomes == {"rejected": 3, "applied": 1}
    assert bed.app.failure is None


async def test_newcomer_sees_artists_they_named_before_trends_until_they_play(
    bed: AgentBed,
) -> None:
    await bed.put("plays", [played("x", "bob"), played("x", "dan"), played("y", "cid", "Why")])
    await bed.task("listeners").flush()
    for agent in ("trend-counts", "pairs"):
        values = [record.value for record in bed.log.records(bed.topic(agent))]
        await bed.put(agent, values)
    await bed.task("trends").flush()
    bed.clock.advance(s=2)
    await bed.put("feedback", [said("taste", None, artists=("why",))])
    first = bed.sink.next("ann")
    assert first is not None
    assert [*zip(first.track_ids, first.sources, strict=True)] == [
        ("y", "stated"),
        ("x", "popular"),
    ]
    await bed.put("plays", [played("z", "ann")])
    second = bed.sink.next("ann")
    assert second is not None
    assert second.track_ids == ["x", "y"]
