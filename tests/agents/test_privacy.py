"""The agent `privacy`: an erased listener is nowhere; an export is answered once."""

from typing import Any

from models.recommend.erasures import ERASURE_MARK
from schemas.codec import encode_event
from schemas.events import Feedback, PlayEvent, PrivacyKind, PrivacyRequest
from schemas.internal import HEADER_REQUEUED
from schemas.privacy import decode_export
from segue.testing.agent_bed import AgentBed
from segue.testing.manual_clock import START_MS

HOUR_MS = 3_600_000


def played(track: str, user: str = "ann", at_ms: int = START_MS - HOUR_MS) -> bytes:
    return encode_event(PlayEvent(f"{user}-{track}", user, track, at_ms, 9000, 9000, "finished"))


def asked(kind: PrivacyKind, user: str = "ann", at_ms: int = START_MS) -> bytes:
    return encode_event(PrivacyRequest(f"{kind}-{user}-{at_ms}", user, kind, at_ms))


async def publish_rows(bed: AgentBed) -> None:
    """Commit the listeners, and let rows learn what they sent since the last time."""
    before = len(bed.log.records(bed.topic("pairs")))
    await bed.task("listeners").flush()
    sent = [record.value for record in bed.log.records(bed.topic("pairs"))[before:]]
    await bed.put("pairs", sent)
    await bed.task("neighbours").flush()


def named(bed: AgentBed, name: str) -> list[str]:
    """Everything in Redis and in the changelogs whose key or value names somebody."""
    data: list[tuple[Any, Any]] = [*bed.sink.redis.data.items()]
    for topic in ("listeners-changelog", "neighbours-changelog"):
        data += bed.log.last_values(bed.topic(topic), 0).items()
    return [str(key) for key, value in data if name in str(key) or name in str(value)]


async def test_an_erased_listener_leaves_redis_and_changelogs(bed: AgentBed) -> None:
    tracks = [played("anns-own"), played("shared"), played("shared", "bob"), played("b", "bob")]
    await bed.put("plays", tracks)
    await publish_rows(bed)
    assert named(bed, "ann")
    assert await bed.put("privacy", [asked("erase")]) == {"applied": 1}
    assert bed.sink.next("ann") is None
    assert bed.sink.discover("ann") is None
    await publish_rows(bed)
    assert named(bed, "ann") == []
    similar = bed.sink.similar("shared")
    assert similar is not None
    assert (similar.plays, similar.track_ids) == (1, ["b"])
    assert bed.sink.next("bob") is not None
    keys = bed.log.last_values(bed.topic("listeners-changelog"), 0)
    assert sum(key.startswith(ERASURE_MARK) for key in keys) == 1


async def test_replayed_late_and_requeued_events_bring_nothing_back(bed: AgentBed) -> None:
    await bed.put("plays", [played("a")])
    await bed.put("privacy", [asked("erase")])
    old = [played("a"), played("late", at_ms=START_MS)]
    assert await bed.put("plays", old) == {"erased": 2}
    requeued = ((HEADER_REQUEUED, b"1"),)
    assert await bed.put("plays", [played("q")], headers=requeued) == {"erased": 1}
    block = Feedback(
        event_id="f", user_id="ann", kind="block_track", track_id="x", at_ms=START_MS - 1
    )
    assert await bed.put("feedback", [encode_event(block)]) == {"erased": 1}
    assert bed.task("listeners").state.slot("ann") is None
    assert bed.sink.next("ann") is None


async def test_who_comes_back_after_an_erasure_is_new(bed: AgentBed) -> None:
    await bed.put("plays", [played("a")])
    await bed.put("privacy", [asked("erase")])
    assert await bed.put("plays", [played("b", at_ms=START_MS + 1)]) == {"applied": 1}
    assert bed.task("listeners").state.snapshot("ann").recent == ["b"]
    assert bed.sink.next("ann") is not None


async def test_erasing_twice_is_erasing_once(bed: AgentBed) -> None:
    await bed.put("plays", [played("a")])
    assert await bed.put("privacy", [asked("erase"), asked("erase")]) == {
        "applied": 1,
        "duplicate": 1,
    }
    await bed.put("plays", [played("b", at_ms=START_MS + 1)])
    assert await bed.put("privacy", [asked("erase")]) == {"duplicate": 1}
    assert bed.sink.next("ann") is not None


async def test_keys_of_a_listener_who_is_not_held_go_too(bed: AgentBed) -> None:
    await bed.put("plays", [played("a")])
    listeners = bed.task("listeners").state
    listeners._forget("ann")  # as an eviction would
    assert await bed.put("privacy", [asked("erase")]) == {"applied": 1}
    assert bed.sink.next("ann") is None


async def test_an_export_is_answered_with_the_commit(bed: AgentBed) -> None:
    await bed.put("plays", [played("a"), played("b")])
    outcomes = await bed.put("privacy", [asked("export"), asked("export", "eve")])
    assert outcomes == {"applied": 2}
    topic = bed.topic("privacy-exports")
    assert bed.log.records(topic) == []
    await bed.task("listeners").flush()
    known, unknown = sorted(bed.log.records(topic), key=lambda record: bytes(record.key or b""))
    answer = decode_export(known.value or b"")
    assert (known.key, answer.event_id) == (b"ann", f"export-ann-{START_MS}")
    assert (answer.known, answer.plays, answer.recent) == (True, 2, ["b", "a"])
    assert decode_export(unknown.value or b"").known is False


async def test_poison_is_rejected_and_the_rest_applied(bed: AgentBed) -> None:
    other = asked("erase").replace(b'"erase"', b'"forget"')
    assert await bed.put("privacy", [b"{", other, asked("erase")]) == {"rejected": 2, "applied": 1}
    assert bed.app.failure is None


async def test_readers_of_recommendations_are_told_by_an_empty_record() -> None:
    async with AgentBed(recommendations_topic=True) as bed:
        await bed.put("plays", [played("a"), played("a", "bob")])
        await bed.put("privacy", [asked("erase")])
        await bed.task("listeners").flush()
        records = bed.log.records(bed.topic("recommendations"))
        sent = {record.key: record.value for record in records}
        assert sent[b"ann"] is None
        assert sent[b"bob"]
        await bed.put("plays", [played("a", at_ms=START_MS + 1)])
        await bed.task("listeners").flush()
        records = bed.log.records(bed.topic("recommendations"))
        assert records[-1].key == b"ann"
        assert records[-1].value
