"""Play -> list in Redis at half of what this machine sustains: p50 and p99 in milliseconds.

    python -m bench.latency [--json FILE] [--quick]

Kafka, Redis, a worker and the load generator share the machine. First the generator sends
as fast as it can; plays divided by the time until the worker is done is what the machine sustains.
Then it sends half of that for 30 s in an open loop, each play stamped by the wall clock as it is
sent. Two measurements of the same plays:

- the worker's histogram segue_play_to_list_seconds{since="append"}: from the timestamp of the Kafka
  record until the lists of its batch are in Redis. The producer sets that timestamp when it builds
  the record, so up to 5 ms of the client's linger, and Kafka's part, are in it.
- a prober with no linger: from handing a play to the client until the changed list was read from
  Redis by polling every millisecond.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bench.bed import Bed, Say
from bench.command import run_benchmarks
from bench.generator import RATE_MAX_PLAYS
from bench.measure import Figure, Plan
from bench.prober import probe
from bench.serve import wait_for
from segue.config import Settings
from segue.demo.scrape import Latency, MetricsReader
from segue.local.worker_process import WorkerProcess

__all__ = ["measure"]

SECONDS = 30.0
SETTLE_S = 5.0
GENERATOR_TIMEOUT_S = 200.0
P50_MAX_MS = 15.0
P99_MAX_MS = 50.0


@dataclass(frozen=True, slots=True)
class Waits:
    """One run's quantiles in milliseconds, by worker and by prober."""

    worker_p50: float
    worker_p99: float
    prober_p50: float
    prober_p99: float


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Find what the machine sustains once, then measure `plan.runs` times on the warm worker."""
    settings = await bed.fresh()
    async with bed.worker(settings) as worker:
        rate = await _sustained(bed, settings, worker, plan)
        say(f"the machine sustains {rate:,.0f} plays/s")
        runs = []
        for run in range(plan.runs):
            runs.append(await _waits(bed, settings, worker, (rate / 2, plan.size_s(SECONDS), say)))
            say(f"run {run + 1}: {_said(runs[-1])}")
    return _figures(runs, rate)


async def _sustained(bed: Bed, settings: Settings, worker: WorkerProcess, plan: Plan) -> float:
    """Return plays per second with the generator at full speed, once the state is warm."""
    reader = _reader(worker)
    share = 0.1 if plan.quick else 1.0
    await _generate(bed, settings, "max", share)
    warm = int(RATE_MAX_PLAYS * share)
    before = await wait_for(reader, worker, 0.05, at_least=warm, drained=True)
    sending = asyncio.create_task(_generate(bed, settings, "max", share))
    first = await wait_for(reader, worker, 0.02, at_least=int(before.plays) + 1)
    begin_s = time.monotonic()
    count = int(before.plays) + warm
    await wait_for(reader, worker, 0.1, at_least=count)
    seconds = time.monotonic() - begin_s
    await sending
    return (count - first.plays) / seconds


async def _waits(
    bed: Bed, settings: Settings, worker: WorkerProcess, load: tuple[float, float, Say]
) -> Waits:
    """Send at a rate for some seconds; return what was waited after the first SETTLE_S."""
    rate, seconds, say = load
    reader = _reader(worker)
    sending = asyncio.create_task(_generate(bed, settings, str(rate), SETTLE_S + seconds))
    await asyncio.sleep(SETTLE_S)
    before = await reader.read(time.monotonic())
    probed = sorted(await probe(settings, seconds=seconds - 1))
    after = await reader.read(time.monotonic())
    sent, took_s = await sending
    if took_s > 1.1 * (SETTLE_S + seconds):
        say(f"the generator fell behind: {sent:,} plays took {took_s:.0f} s")
    await wait_for(reader, worker, 0.1, at_least=int(before.plays), drained=True)
    worker_waits = Latency.between(before, after, "append")
    assert worker_waits.p50_ms is not None and worker_waits.p99_ms is not None, "plays went on"
    return Waits(
        worker_waits.p50_ms,
        worker_waits.p99_ms,
        1000 * statistics.median(probed),
        1000 * probed[min(len(probed) - 1, int(0.99 * len(probed)))],
    )


async def _generate(bed: Bed, settings: Settings, rate: str, seconds: float) -> tuple[int, float]:
    """Run the generator to its end; returns how many plays it sent and how long it took."""
    said = await bed.program(
        [
            *(sys.executable, "-m", "bench.generator"),
            *(settings.kafka_bootstrap, settings.topic_prefix, rate, str(seconds)),
        ],
        timeout_s=GENERATOR_TIMEOUT_S,
    )
    result = orjson.loads(said)
    return result["events"], result["wall_s"]


def _reader(worker: WorkerProcess) -> MetricsReader:
    return MetricsReader([worker.endpoint.web_port], plays_agent="plays")


def _figures(runs: Sequence[Waits], rate: float) -> list[Figure]:
    at = f"at {rate / 2:,.0f} plays/s"
    columns = zip(
        *((w.worker_p50, w.worker_p99, w.prober_p50, w.prober_p99) for w in runs), strict=True
    )
    worker_p50, worker_p99, prober_p50, prober_p99 = (tuple(column) for column in columns)
    list_in = "play -> list in Redis"
    return [
        Figure("sustained by the whole machine, load included", "plays/s", (rate,)),
        Figure(f"{list_in} {at}, worker's histogram, p50", "ms", worker_p50, target_max=P50_MAX_MS),
        Figure(f"{list_in} {at}, worker's histogram, p99", "ms", worker_p99, target_max=P99_MAX_MS),
        Figure(f"{list_in} {at}, client to reader, p50", "ms", prober_p50, target_max=P50_MAX_MS),
        Figure(f"{list_in} {at}, client to reader, p99", "ms", prober_p99, target_max=P99_MAX_MS),
    ]


def _said(waits: Waits) -> str:
    return (
        f"worker p50 {waits.worker_p50:.1f} p99 {waits.worker_p99:.1f} ms, "
        f"client to reader p50 {waits.prober_p50:.1f} p99 {waits.prober_p99:.1f} ms"
    )


if __name__ == "__main__":
    run_benchmarks(__doc__, [("latency", measure)])
