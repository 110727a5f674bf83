"""`segue feed` on a real Kafka: interrupted and taken up again, no row is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import EventDecoder, Rejected
from schemas.events import PlayEvent
from schemas.registry import PLAYS
from segue.config import Settings
from segue.sim.logfile import open_log
from segue.testing import eventually

ROWS = 40_000

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A program begins with the default for what its parent handles, and ignores what that ignores.

    So do tests that a shell without job control started in the background, and their children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def command_of(settings: Settings, folder: Path, log: Path, *options: str) -> subprocess.Popen[str]:
    env = os.environ | {
        "SEGUE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SEGUE_TOPIC_PREFIX": settings.topic_prefix,
        "SEGUE_DATA_DIR": str(folder / "data"),
    }
    command = [sys.executable, "-m", "segue.cli", "feed", str(log), *options]
    return subprocess.Popen(  # its own session: Ctrl-C here is not Ctrl-C there
        command, env=env, text=True, stdout=subprocess.PIPE, start_new_session=True
    )


async def stored(settings: Settings) -> list[PlayEvent]:
    """Every play in the topic, each partition from its beginning to its end."""
    topic, decode = PLAYS.topic(settings.topic_prefix), EventDecoder(PlayEvent).decode
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    plays: list[PlayEvent] = []
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    decoded = decode(record.value)
                    assert not isinstance(decoded, Rejected)
                    assert record.key == decoded[0].user_id.encode()
                    plays += decoded
    return plays


async def test_an_interrupted_feed_goes_on_and_misses_no_row(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "plays.csv"
    lines = "".join(f"u{i % 97},t{i % 89},{1_700_000_000 + i}\n" for i in range(ROWS))
    path.write_text("user,item,ts\n" + lines)
    log = open_log(path)
    first = command_of(settings, tmp_path, path, "--rate", "10000")
    await eventually(
        lambda: any(
            json.loads(file.read_bytes())["next_row"] > 5_000
            for file in (tmp_path / "data" / "feed").glob("*.json")
        ),
        deadline_s=30.0,
    )
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    early = await stored(settings)
    second = command_of(settings, tmp_path, path)
    said, _ = second.communicate(timeout=60)
    third = command_of(settings, tmp_path, path)
    repeated, _ = third.communicate(timeout=60)
    plays = await stored(settings)
    assert (first.returncode, second.returncode, third.returncode) == (1, 0, 0)
    assert 5_000 < len(early) < ROWS
    assert {play.event_id for play in plays} == {f"{log.digest}-{i}" for i in range(ROWS)}
    assert len(plays) - ROWS <= 2_000
    assert "fed " in said
    assert "all rows were fed before" in repeated
    for user in ("u0", "u42"):
        times = [play.started_at_ms for play in plays if play.user_id == user]
        assert sorted(set(times)) == list(dict.fromkeys(times))
