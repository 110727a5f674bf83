"""The agent `plays`: every event has one outcome, lists follow at once, poison harms nobody."""

import asyncio
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from agents.versions import OWNER
from models.recommend.rankers import RANKER_KEY
from schemas.codec import encode_event
from schemas.events import PlayEvent
from schemas.internal import HEADER_REASON, HEADER_REQUEUED
from schemas.murmur2 import partition_of
from schemas.outputs import format_version
from schemas.rediskeys import accept_key, paused_key
from segue.errors import Misconfigured
from segue.telemetry import metrics
from segue.testing import eventually
from segue.testing.agent_bed import AgentBed
from segue.testing.manual_clock import START_MS
from streams.gates import TopicPartition

HOUR_MS = 3_600_000


def play(name: str, track: str, at_ms: int = START_MS - HOUR_MS, **fields: Any) -> PlayEvent:
    given: dict[str, Any] = {
        "user_id": "ann",
        "played_ms": 200_000,
        "duration_ms": 200_000,
    } | fields
    reason = given.pop("end_reason", "finished")
    return PlayEvent(name, track_id=track, started_at_ms=at_ms, end_reason=reason, **given)


def raw(*plays: PlayEvent) -> list[bytes | None]:
    return [encode_event(p) for p in plays]


async def test_play_is_applied_and_both_lists_stand_in_redis(bed: AgentBed) -> None:
    assert await bed.put("plays", raw(play("e1", "a"))) == {"applied": 1}
    for served, kind in ((bed.sink.next("ann"), "next"), (bed.sink.discover("ann"), "discover")):
        assert served is not None
        assert (served.user_id, served.kind, served.at_ms) == ("ann", kind, bed.clock.now_ms())
        assert served.version == format_version(START_MS, OWNER + 1)
        assert served.track_ids == []


async def test_lists_fill_with_what_trends_and_leave_out_what_was_played(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a"), play("e2", "b", user_id="bob")))
    await flow(bed)
    await bed.put("plays", raw(play("e3", "a", user_id="cid")))
    following, new = bed.sink.next("cid"), bed.sink.discover("cid")
    assert following is not None
    assert new is not None
    assert (following.track_ids, following.sources) == (["b"], ["popular"])
    assert (following.because, following.session) == ([-1], ["a"])
    assert new.track_ids == ["b"]
    await bed.put("plays", raw(play("e4", "b", START_MS, user_id="cid")))
    following, new = bed.sink.next("cid"), bed.sink.discover("cid")
    assert following is not None
    assert new is not None
    assert following.track_ids == ["a"]  # may repeat, but not the track just played
    assert new.track_ids == []


async def test_neighbours_of_the_session_come_first(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a"), play("e2", "b"), play("e3", "z", user_id="zoe")))
    await flow(bed)
    await bed.put("plays", raw(play("e4", "a", user_id="bob")))
    following = bed.sink.next("bob")
    assert following is not None
    assert [*zip(following.track_ids, following.sources, strict=True)] == [
        ("b", "together"),
        ("z", "popular"),
    ]
    assert (following.because, following.session) == ([0, -1], ["a"])
    similar = bed.sink.similar("a")
    assert similar is not None
    assert (similar.plays, similar.track_ids, similar.scores) == (1, ["b"], [2520])
    assert (similar.after, similar.lately) == ([2520], [2520])


async def test_lists_name_the_session_newest_first_and_at_most_five_of_it(bed: AgentBed) -> None:
    tracks = [f"t{n}" for n in range(7)]
    await bed.put("plays", raw(*(play(f"e{n}", t) for n, t in enumerate(tracks))))
    for served in (bed.sink.next("ann"), bed.sink.discover("ann")):
        assert served is not None
        assert served.session == ["t6", "t5", "t4", "t3", "t2"]


async def test_tracks_of_the_artist_just_played_are_found_whatever_the_spelling(
    bed: AgentBed,
) -> None:
    await bed.put(
        "plays",
        raw(
            play("e1", "a", artist="Björk"),
            play("e2", "b", artist="BJÖRK", user_id="bob"),  # never in a session with a
        ),
    )
    await flow(bed)
    row = bed.sink.artist("björk")
    assert row is not None
    assert (row.plays, {*row.track_ids}, row.scores) == (2, {"a", "b"}, [2520, 2520])
    await bed.put("plays", raw(play("e3", "a", artist=" björk", user_id="cid")))
    for served in (bed.sink.next("cid"), bed.sink.discover("cid")):
        assert served is not None
        assert served.track_ids == ["b"]


async def test_rankers_learn_from_plays_that_lists_could_have_held(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a"), play("e2", "b"), play("e3", "z", user_id="zoe")))
    await flow(bed)
    await bed.put("plays", raw(play("e4", "a", user_id="bob")))
    state = bed.task("listeners").state
    before = state.ranker.trained.tolist()
    await bed.put("plays", raw(play("e5", "b", START_MS, user_id="bob")))
    assert state.ranker.trained.tolist() == [before[0] + 1, before[1] + 1]
    await bed.put("plays", raw(play("e5", "b", START_MS, user_id="bob")))  # a duplicate
    assert state.ranker.trained.tolist() == [before[0] + 1, before[1] + 1]
    await bed.task("listeners").flush()
    changelog = bed.log.last_values(bed.topic("listeners-changelog"), 0)
    assert {*changelog} == {b"ann", b"bob", b"zoe", RANKER_KEY}


async def test_plays_of_a_suspected_listener_reach_their_lists_and_nobody_elses(
    bed: AgentBed,
) -> None:
    held, suspected = metrics.HELD.labels("cut"), metrics.SUSPECTED.labels("cut")
    before = held._value.get(), suspected._value.get(), counted("held")
    cuts = [
        play(f"c{i}", f"t{i}", START_MS - 2 * HOUR_MS + 32_000 * i, played_ms=31_000)
        for i in range(45)
    ]
    assert await bed.put("plays", raw(*cuts)) == {"applied": 39, "held": 6}
    assert (held._value.get(), suspected._value.get(), counted("held")) == (
        before[0] + 6,
        before[1] + 1,
        before[2] + 6,
    )
    await flow(bed)
    served = bed.sink.next("ann")
    assert served is not None
    assert served.session[0] == "t44"
    await bed.put("plays", raw(play("e1", "x", user_id="bob")))
    others = bed.sink.next("bob")
    assert others is not None
    assert {*others.track_ids} <= {f"t{i}" for i in range(39)}
    assert others.track_ids


async def test_the_forest_is_shown_one_play_in_64_and_its_scores_are_observed(
    bed: AgentBed,
) -> None:
    before = metrics.ANOMALY._sum.get()
    plays = [
        play(f"f{i}", f"t{i % 300}", START_MS - 24 * HOUR_MS + 1000 * i, user_id=f"u{i % 40}")
        for i in range(20_000)
    ]
    await bed.put("plays", raw(*plays))
    assert metrics.ANOMALY._sum.get() > before


async def test_lists_say_their_arm_and_are_made_by_its_rules() -> None:
    async with AgentBed(arms="default=50,popular=50") as bed:
        await bed.put("plays", raw(play("e1", "a"), play("e2", "b"), play("e3", "z", user_id="z")))
        await flow(bed)
        users = ["u0", "u1"]
        await bed.put("plays", raw(*(play(f"x-{user}", "a", user_id=user) for user in users)))
        served = [bed.sink.next(user) for user in users]
        assert [found and (found.arm, found.sources[0]) for found in served] == [
            ("default", "together"),
            ("popular", "popular"),
        ]


async def test_plays_after_a_list_count_for_its_arm() -> None:
    async with AgentBed(arms="default=50,popular=50") as bed:
        await bed.put("plays", raw(play("e1", "a"), play("e2", "b"), play("e3", "z", user_id="z")))
        await flow(bed)
        before = trials_by_arm()
        for track, at_ms in (("a", START_MS), ("b", START_MS + 1)):
            plays = (play(f"{track}-{user}", track, at_ms, user_id=user) for user in ("u0", "u1"))
            await bed.put("plays", raw(*plays))
        bed.clock.advance(s=2)
        await bed.task("listeners").publish()
        after = trials_by_arm()
        gained = {key: after[key] - before.get(key, 0.0) for key in after}
        assert {key for key, count in gained.items() if count} == {
            (arm, name)
            for arm in ("default", "popular")
            for name in ("next", "discover", "popular")
        }
        assert metrics.RECENT_HITS.labels("default", "next")._value.get() == 1.0


def trials_by_arm() -> dict[tuple[str, str], float]:
    """Trials by arm and list, all cohorts together."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for family in metrics.TRIALS.collect():
        for row in family.samples:
            if row.name.endswith("_total"):
                found[row.labels["arm"], row.labels["list"]] += row.value
    return dict(found)


@pytest.mark.parametrize(
    ("arm", "message"),
    [("best", "no arm is called 'best'"), ("biased-mf", "biased-mf is for `segue replay` only")],
)
async def test_arm_that_serves_no_lists_is_a_configuration_error(arm: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=f"SEGUE_ARMS: {message}") as caught:
        await AgentBed(arms=f"default=50,{arm}=50").__aenter__()
    assert caught.value.setting == "SEGUE_ARMS"


async def flow(bed: AgentBed) -> None:
    """Commit the listeners, hand what they send on to the other agents, and publish that."""
    await bed.task("listeners").flush()
    for agent, stage in (("pairs", "neighbours"), ("trend-counts", "trends")):
        values = [record.value for record in bed.log.records(bed.topic(agent))]
        assert (await bed.put(agent, values))["applied"] == len(values)
        await bed.task(stage).flush()
    bed.clock.advance(s=2)  # rows and trends are read again


async def test_each_event_has_exactly_one_outcome(bed: AgentBed) -> None:
    before = {outcome: counted(outcome) for outcome in ("applied", "rejected")}
    outcomes = await bed.put(
        "plays",
        [
            *raw(play("late", "a", START_MS - 3 * HOUR_MS, user_id="lea")),
            *raw(play("e1", "a"), play("e1", "a")),
            msgspec.json.encode([play("e2", "b"), play("e3", "c")]),
            *raw(play("skip", "d", end_reason="skipped", played_ms=5)),
            b"{",
            None,
        ],
    )
    assert outcomes == {"applied": 4, "duplicate": 1, "skipped": 1, "rejected": 2}
    assert counted("applied") == before["applied"] + 4
    assert counted("rejected") == before["rejected"] + 2


def counted(outcome: str) -> float:
    return float(metrics.EVENTS.labels("plays", outcome)._value.get())


async def test_one_outcome_is_yielded_for_each_batch(bed: AgentBed) -> None:
    for number in range(3):
        await bed.put("plays", raw(play(f"e{number}", "a")))
    assert bed.yielded("plays") == [{"applied": 1}] * 3


async def test_duplicate_play_changes_nothing(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a")))
    task = bed.task("listeners")
    known, data = task.state.snapshot("ann"), dict(bed.sink.redis.data)
    assert await bed.put("plays", raw(play("e1", "a"))) == {"duplicate": 1}
    assert task.state.snapshot("ann") == known
    assert bed.sink.redis.data == data
    assert task.position[bed.topic("plays")] == 2


async def test_late_play_counts_but_is_not_what_comes_next(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a", START_MS)))
    late = play("e2", "b", START_MS - HOUR_MS - 1)
    assert await bed.put("plays", raw(late)) == {"late": 1}
    known = bed.task("listeners").state.snapshot("ann")
    assert (known.plays, known.context, known.last_track) == (2, ["a"], "a")


async def test_requeued_play_is_never_late(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a", START_MS)))
    requeued = raw(play("e2", "b", START_MS - HOUR_MS - 1))
    assert await bed.put("plays", requeued, headers=((HEADER_REQUEUED, b"1"),)) == {"applied": 1}


async def test_batch_of_poison_becomes_dead_letters_and_the_next_is_applied(bed: AgentBed) -> None:
    poison: list[bytes | None] = [b"\xff" * 50, b"[" * 5000, b"null", b"[]", b"{}", None, b""]
    assert await bed.put("plays", poison) == {"rejected": len(poison)}
    assert await bed.put("plays", raw(play("e1", "a"))) == {"applied": 1}
    await bed.task("listeners").flush()
    letters = bed.log.records(bed.topic("dead-letters"))
    assert [letter.value for letter in letters] == [value or b"" for value in poison]
    assert all(dict(letter.headers)[HEADER_REASON] for letter in letters)
    assert bed.app.failure is None


async def test_batch_seen_before_is_nobodys(bed: AgentBed) -> None:
    records = bed.records("plays", raw(play("e1", "a"), play("e2", "b")))
    assert await bed.put_records("plays", records) == {"applied": 2}
    assert await bed.put_records("plays", records) == {}
    assert bed.task("listeners").state.snapshot("ann").plays == 2


async def test_straddling_batch_is_trimmed(bed: AgentBed) -> None:
    records = bed.records("plays", raw(play("e1", "a"), play("e2", "b"), play("e3", "c")))
    await bed.put_records("plays", records[:2])
    assert await bed.put_records("plays", records) == {"applied": 1}


async def test_event_of_another_partition_is_forwarded_and_not_learned() -> None:
    async with AgentBed(partitions=4) as bed:
        away = next(f"u{n}" for n in range(99) if partition_of(b"u%d" % n, 4) != 0)
        assert await bed.put("plays", raw(play("e1", "a", user_id=away))) == {"forwarded": 1}
        assert len(bed.task("listeners").state) == 0
        await bed.task("listeners").flush()
        (sent,) = bed.log.records(bed.topic("plays"))
        assert (sent.key, sent.partition) == (away.encode(), partition_of(away.encode(), 4))


async def test_nothing_is_taken_while_redis_is_away(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a")))
    bed.sink.redis.away = True
    putting = asyncio.create_task(bed.put("plays", raw(play("e2", "b"))))
    await eventually(lambda: bed.health.readiness()[1].count("redis"), 5)
    task = bed.task("listeners")
    assert task.position[bed.topic("plays")] == 1
    assert not putting.done()
    bed.sink.redis.away = False
    assert await putting == {"applied": 1}
    assert task.position[bed.topic("plays")] == 2
    assert "redis" not in bed.health.readiness()[1]


async def test_lost_redis_gets_all_lists_again(bed: AgentBed) -> None:
    await bed.put("plays", raw(play("e1", "a"), play("e2", "a", user_id="bob")))
    bed.sink.redis.lose()
    bed.clock.advance(s=2)
    for stage in ("neighbours", "trends", "listeners"):
        await bed.task(stage).publish()
    for user in ("ann", "bob"):
        assert bed.sink.next(user) is not None
        assert bed.sink.discover(user) is not None


async def test_flood_of_rubbish_pauses_the_partition_until_it_is_accepted() -> None:
    async with AgentBed(bad_window=10, bad_share_max=0.5) as bed:
        topic = bed.topic("plays")
        tp = TopicPartition(topic, 0)
        bed.app.gates.open(tp)
        assert await bed.put("plays", [b"bad"] * 10) == {"rejected": 10}
        await eventually(lambda: bed.sink.redis.data.get(paused_key(topic, 0)), 5)
        assert not bed.app.gates.admits(tp)
        ready, reasons = bed.health.readiness()
        assert not ready
        assert any("segue dlq accept" in reason for reason in reasons)
        waiting = bed.records("plays", raw(play("e1", "a")))
        assert await bed.put_records("plays", waiting) == {}
        await bed.sink.redis.set(accept_key(topic, 0), b"1")
        await eventually(lambda: bed.app.gates.admits(tp), 5)
        assert bed.seeks == [(topic, 10)]
        assert paused_key(topic, 0) not in bed.sink.redis.data
        assert not any("dlq" in reason for reason in bed.health.readiness()[1])
        assert await bed.put_records("plays", waiting) == {"applied": 1}


async def test_share_below_the_limit_pauses_nothing() -> None:
    async with AgentBed(bad_window=10, bad_share_max=0.5) as bed:
        good = raw(*(play(f"e{n}", "a") for n in range(5)))
        await bed.put("plays", [*good, *[b"bad"] * 5])
        assert bed.task("listeners").paused_topics == set()


async def test_error_in_the_agents_own_code_stops_the_worker(
    bed: AgentBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Exception] = []
    monkeypatch.setattr(bed.app, "fail", failed.append)
    task = bed.task("listeners")
    monkeypatch.setattr(task.state, "learn", None)
    with pytest.raises(TypeError):
        await bed.put("plays", raw(play("e1", "a")))
    assert [type(error) for error in failed] == [TypeError]
    assert not task.opened
