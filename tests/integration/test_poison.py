"""Bad messages: a few are dead letters, a flood pauses its partition until somebody accepts it."""

import json
import random
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from schemas.registry import LISTENERS_CHANGELOG, PLAYS
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew, Worker
from segue.testing.load import Message, PlayStream, send_all
from segue.testing.logs import committed_positions, read_latest, settled
from segue.testing.truth import home_of
from segue.testing.verify import OF_PARTITION, assert_exact, dead_letters
from segue.testing.wire import ListenerFacts, read_listener

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BAD, GOOD, SEED = 10_000, 20_000, 10
BATCH_OVERHEAD = 120  # of a batch of one record, key included; a little less


async def test_ten_thousand_fuzzed_messages_are_dead_letters_once_each_and_crash_nobody(
    settings: Settings, crew: Crew
) -> None:
    print(f"seed {SEED}")  # noqa: T201  # shown when the test fails
    stream = PlayStream(settings, SEED)
    spoiled = [stream.spoiled() for _ in range(BAD)]
    messages = stream.singles(GOOD)
    reasons = dict.fromkeys(range(BAD + GOOD), frozenset[str]())
    places = sorted(random.Random(SEED).sample(range(BAD + GOOD), BAD))
    for at, (message, allowed) in zip(places, spoiled, strict=True):
        messages.insert(at, message)
        reasons[at] = allowed
    (worker,) = await crew.hire()
    await crew.all_ready()
    stored = await send_all(settings, messages)
    truth = await assert_exact(settings, deadline_s=90)

    assert sum(truth.outcomes.values()) == GOOD
    letters = {place: (reason, raw) for place, reason, raw in await dead_letters(settings)}
    assert len(letters) == BAD
    for at, place in enumerate(stored):
        reason, raw = letters.get(place, (None, b""))
        if not reasons[at]:
            assert reason is None, (messages[at], reason)
        else:
            assert reason in reasons[at], (messages[at].value[:200], reason, reasons[at])
            assert raw == messages[at].value
    assert worker.running
    assert "Traceback" not in worker.log
    assert await worker.metric("segue_dead_letters_total.*") == BAD


async def test_the_largest_message_that_a_topic_takes_fits_the_dead_letters(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    """Small limits, so that what workers write together is larger than what they accept."""
    settings = await prepare(message_bytes_max=1_000)
    largest = int(PLAYS.kafka_config(settings.message_bytes_max)["max.message.bytes"])
    stream = PlayStream(settings, seed=14)
    singles = stream.singles(2_000)
    async with Crew(settings, tmp_path) as crew:
        await crew.hire()
        await crew.all_ready()
        for message in singles[:5]:
            blank = b" " * (largest - BATCH_OVERHEAD - len(message.value))
            await send_all(settings, [message._replace(value=message.value + blank)])
        await send_all(settings, [*singles[5:], *stream.astray(500)])
        truth = await assert_exact(settings, deadline_s=30)
        assert len(truth.bad) >= 5  # long arrays too
        assert crew.workers[0].running


async def test_a_flood_pauses_its_partition_until_it_is_accepted(
    settings: Settings, crew: Crew
) -> None:
    plays, number = PLAYS.topic(settings.topic_prefix), 2
    stream = PlayStream(settings, seed=11)
    good = stream.singles(1_000)
    flood = [Message(plays, number, b"x", b"rubbish") for _ in range(1_500)]
    after = stream.singles(1_000)
    waiting = sum(message.partition == number for message in after)
    (worker,) = await crew.hire()
    await crew.all_ready()
    await send_all(settings, good)
    await send_all(settings, flood)
    await eventually(lambda: _paused(worker), 30, claim="readiness says that it is paused")
    await send_all(settings, after)
    others = sum(message.partition != number for message in (*good, *after))
    await eventually(lambda: _others(settings, number, others), 30, claim="others go on")

    assert f"{plays} partition {number} paused" in (await worker.probe()).detail
    assert (
        await worker.metric(f'segue_partitions_paused{{topic="{plays}"}}'.replace("{", r"\{")) == 1
    )
    code, output = await crew.segue("dlq", "ls", "--limit", "3")
    assert code == 0
    flat = re.sub(r"\s+", " ", output)
    assert f"partition {number} paused: too many bad messages (segue dlq accept)" in flat
    code, output = await crew.segue("dlq", "accept", plays, str((number + 1) % 4))
    assert (code, "is not paused" in output) == (1, True) or code == 2

    code, output = await crew.segue("dlq", "accept", plays, str(number))
    assert code == 0, output
    truth = await assert_exact(settings, deadline_s=30)
    assert sum(truth.outcomes.values()) == 2_000
    assert len(await dead_letters(settings)) == 1_500
    assert waiting > 0
    await eventually(worker.ready, 10)
    _, output = await crew.segue("dlq", "ls")
    assert "paused" not in output


async def test_a_requeued_play_is_applied_and_not_late(
    prepare: Callable[..., Awaitable[Settings]], tmp_path: Path
) -> None:
    strict = await prepare(message_bytes_max=1_000)
    lenient = strict.model_copy(update={"message_bytes_max": 3_000})
    user, topic = "listener", PLAYS.topic(strict.topic_prefix)
    home = home_of(user, strict.partitions)
    start_ms = 1_790_000_000_000
    play = partial(_play, topic, home, user)
    long = play(0, start_ms, title="x" * 1_000)
    broken = Message(topic, home, user.encode(), b"broken")
    recent = [play(i, start_ms + 10 * strict.lateness_ms + i) for i in range(1, 4)]
    late = play(4, start_ms + 1)
    async with Crew(strict, tmp_path / "strict") as crew:
        (worker,) = await crew.hire()
        await crew.all_ready()
        await send_all(strict, [long, broken, *recent])
        await eventually(lambda: _knows(strict, user, plays=3), 30)
        await send_all(strict, [late])
        await eventually(lambda: _knows(strict, user, plays=4), 30)
        assert (await _listener(strict, user)).recent == ["track-3", "track-2", "track-1"]
        await worker.stop()
        code, output = await crew.segue("dlq", "ls", "--json")
        listed = {line["reason"]: line for line in map(json.loads, output.splitlines())}
        assert {r: line["value"] for r, line in listed.items()} == {
            "too_large": long.value.decode(),
            "not_json": "broken",
        }
        code, output = await crew.segue("dlq", "show", listed["too_large"]["id"])
        assert long.value.decode() in output
        assert f"{topic} partition {home} offset 0: too_large" in output

    async with Crew(lenient, tmp_path / "lenient") as crew:
        await crew.hire()
        await crew.all_ready()
        await _requeued(crew, listed["too_large"]["id"])
        await eventually(lambda: _knows(lenient, user, plays=5), 30)
        # Older than the late one, yet in the history that sessions and lists are made from.
        assert (await _listener(lenient, user)).recent[0] == "track-0"
        assert len(await dead_letters(lenient)) == 2
        await _requeued(crew, "--all", "--reason", "not_json")
        await eventually(lambda: _letters(lenient, 3), 30, claim="what is bad comes back")
        code, output = await crew.segue("dlq", "purge", "--yes")
        assert code == 0
        assert await dead_letters(lenient) == []
        code, output = await crew.segue("dlq", "ls", "--json")
        assert (code, output) == (0, "")


def _play(
    topic: str, home: int, user: str, number: int, started_at_ms: int, **more: str
) -> Message:
    event = {
        "event_id": f"event-{number}",
        "user_id": user,
        "track_id": f"track-{number}",
        "started_at_ms": started_at_ms,
        "played_ms": 180_000,
        "duration_ms": 180_000,
        "end_reason": "finished",
    }
    return Message(topic, home, user.encode(), json.dumps(event | more).encode())


async def _requeued(crew: Crew, *which: str) -> None:
    code, output = await crew.segue("dlq", "requeue", *which)
    assert (code, output.strip().splitlines()[-1]) == (0, "1 requeued")


async def _paused(worker: Worker) -> bool:
    return "paused" in (await worker.probe()).detail


async def _others(settings: Settings, paused: int, count: int) -> bool:
    """Tell whether all good plays of the other partitions are committed."""
    plays = PLAYS.topic(settings.topic_prefix)
    committed = await committed_positions(settings)
    found = sum(
        o for (topic, number), o in committed.items() if topic == plays and number != paused
    )
    return found == count


async def _listener(settings: Settings, user: str) -> ListenerFacts:
    topic = LISTENERS_CHANGELOG.topic(settings.topic_prefix)
    found = (await read_latest(settings, topic, without=OF_PARTITION)).get(user.encode())
    return ListenerFacts() if found is None else read_listener(found)


async def _knows(settings: Settings, user: str, *, plays: int) -> bool:
    return (await _listener(settings, user)).plays == plays


async def _letters(settings: Settings, count: int) -> bool:
    return await settled(settings) and len(await dead_letters(settings)) == count
