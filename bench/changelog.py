"""Changelogged state records written per CPU-second, beside a stock Faust Table.

    python -m bench.changelog [--json FILE] [--quick]

Ours: a partition task with counts by key flushes 10,000 changed keys at a time, changelog and input
offset in one Kafka transaction. Faust: a Table of the same keys in memory with its changelog, once
as it is used, a write for each message, and once with 100 writes for each message, so that reading
hardly counts. Topics of both exist before.
"""

from __future__ import annotations

import sys
import uuid

import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.bed import Bed, Say, send_backlog
from bench.command import run_benchmarks
from bench.measure import Figure, Peer, Plan
from bench.plays import small_plays
from bench.table_writers import FLUSH_KEYS, TABLE
from schemas.registry import PLAYS
from segue.config import Settings
from segue.local.worker_process import worker_environment

__all__ = ["measure"]

RECORDS = 400_000
TABLE_RECORDS = 20_000
RATIO_MIN = 100
MANY = 100
TIMEOUT_S = 240.0
WRITER = (sys.executable, "-m", "bench.table_writers")


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Let both write in turns, `plan.runs` times."""
    settings = await bed.fresh(log_level="warning")
    table_records = plan.size(TABLE_RECORDS)
    await send_backlog(settings, list(small_plays(2 * table_records)))
    records = max(plan.size(RECORDS), 5 * FLUSH_KEYS)
    ours, single, many = [], [], []
    for run in range(plan.runs):
        ours.append(await _rate(bed, settings, ["ours", str(records)]))
        single.append(await _faust(bed, settings, table_records // 2, writes=1))
        many.append(await _faust(bed, settings, table_records, writes=MANY))
        say(
            f"run {run + 1}: ours {ours[-1]:,.0f}, Table {single[-1]:,.0f} and, {MANY} writes a "
            f"message, {many[-1]:,.0f} records/CPU-s"
        )
    peers = (
        Peer("stock Faust Table", tuple(single), RATIO_MIN),
        Peer(f"the same, {MANY} writes a message", tuple(many)),
    )
    name, unit = "changelogged state records written", "records per CPU-s"
    return [Figure(name, unit, tuple(ours), peer=peer) for peer in peers]


async def _faust(bed: Bed, settings: Settings, records: int, *, writes: int) -> float:
    name = f"bench-{uuid.uuid4().hex[:12]}"
    await _create(settings, f"{name}-{TABLE}-changelog")
    topic = PLAYS.topic(settings.topic_prefix)
    arguments = ["faust", settings.kafka_bootstrap, topic, name, str(records), str(writes)]
    return await _rate(bed, settings, arguments)


async def _rate(bed: Bed, settings: Settings, arguments: list[str]) -> float:
    said = await bed.program(
        [*WRITER, *arguments], env=worker_environment(settings), timeout_s=TIMEOUT_S
    )
    result = orjson.loads(said)
    return float(result["events"] / result["cpu_s"])


async def _create(settings: Settings, topic: str) -> None:
    """Create a changelog as Faust would: compacted, as many partitions as its source."""
    admin = AIOKafkaAdminClient(**settings.kafka_client_options())
    await admin.start()
    try:
        config = {"cleanup.policy": "compact"}
        new = NewTopic(topic, settings.partitions, 1, topic_configs=config)
        await admin.create_topics([new])
    finally:
        await admin.close()


if __name__ == "__main__":
    run_benchmarks(__doc__, [("changelog", measure)])
