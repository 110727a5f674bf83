"""Play -> list in Redis at half of what this machine sustains: p50 and p99 in milliseconds.

    python -m bench.latency [--json FILE] [--quick]

Kafka, Redis, a worker and the load generator share the machine. What it sustains is its
sustainable throughput (Karimov et al., "Benchmarking Distributed Stream Data Processing Systems",
ICDE 2018): the highest rate of an open loop at which no backlog grows, found by bisection below
the rate at which the worker takes a backlog; a rate is sustained if less than BACKLOG_MAX_S of it
waits at the end of STEP_S. Then the generator sends half of that for 30 s in an open loop, each
play stamped by the wall clock as it is sent; and once each of some rates that stay the same from
machine to machine. Two measurements of the same plays:

- the worker's histogram segue_play_to_list_seconds{since="append"}: from the moment the broker
  stored the record (the topic's timestamps are the broker's) until its lists are in Redis.
- a prober with no linger: from handing a play to the client until the changed list was read from
  Redis by polling every millisecond. What an app sees.
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

__all__ = ["SETTLE_S", "generate", "measure"]

SECONDS = 30.0
LADDER = (500, 1_000, 2_000, 4_000)  # plays/s
LADDER_SECONDS = 12.0
STEP_S = 10.0
STEPS = 5
BACKLOG_MAX_S = 0.5
LOWEST_SHARE = 0.4  # of the rate of a backlog; a machine that sustains less is not found
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
        figures = _figures(runs, rate)
        for rung in LADDER:
            load = (float(rung), plan.size_s(LADDER_SECONDS), say)
            waits = await _waits(bed, settings, worker, load)
            say(f"at {rung:,} plays/s: {_said(waits)}")
            figures += _rung(waits, rung)
    return figures


async def _sustained(bed: Bed, settings: Settings, worker: WorkerProcess, plan: Plan) -> float:
    """Return the highest rate (plays/s) at which no backlog grows, once the state is warm."""
    high = await _backlog_rate(bed, settings, worker, plan)
    low = LOWEST_SHARE * high
    for _ in range(2 if plan.quick else STEPS):
        middle = (low + high) / 2
        if await _keeps_up(bed, settings, worker, middle):
            low = middle
        else:
            high = middle
    return low


async def _backlog_rate(bed: Bed, settings: Settings, worker: WorkerProcess, plan: Plan) -> float:
    """Return plays per second of a worker that has a backlog, which the generator still makes."""
    reader = _reader(worker)
    share = 0.1 if plan.quick else 1.0
    await generate(bed, settings, "max", share)
    warm = int(RATE_MAX_PLAYS * share)
    before = await wait_for(reader, worker, 0.05, at_least=warm, drained=True)
    sending = asyncio.create_task(generate(bed, settings, "max", share))
    first = await wait_for(reader, worker, 0.02, at_least=int(before.plays) + 1)
    begin_s = time.monotonic()
    count = int(before.plays) + warm
    await wait_for(reader, worker, 0.1, at_least=count)
    seconds = time.monotonic() - begin_s
    await sending
    return (count - first.plays) / seconds


async def _keeps_up(bed: Bed, settings: Settings, worker: WorkerProcess, rate: float) -> bool:
    """Send at a rate for STEP_S; tell whether next to nothing waits at the end."""
    reader = _reader(worker)
    before = await reader.read(time.monotonic())
    sent, took_s = await generate(bed, settings, str(rate), STEP_S)
    after = await reader.read(time.monotonic())
    waiting = before.plays + sent - after.plays
    await wait_for(reader, worker, 0.1, at_least=int(before.plays) + sent, drained=True)
    return took_s < 1.05 * STEP_S and waiting < BACKLOG_MAX_S * rate


async def _waits(
    bed: Bed, settings: Settings, worker: WorkerProcess, load: tuple[float, float, Say]
) -> Waits:
    """Send at a rate for some seconds; return what was waited after the first SETTLE_S."""
    rate, seconds, say = load
    reader = _reader(worker)
    sending = asyncio.create_task(generate(bed, settings, str(rate), SETTLE_S + seconds))
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


async def generate(bed: Bed, settings: Settings, rate: str, seconds: float) -> tuple[int, float]:
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
        Figure("sustainable throughput of the whole machine, load included", "plays/s", (rate,)),
        Figure(f"{list_in} {at}, worker's histogram, p50", "ms", worker_p50, target_max=P50_MAX_MS),
        Figure(f"{list_in} {at}, worker's histogram, p99", "ms", worker_p99, target_max=P99_MAX_MS),
        Figure(f"{list_in} {at}, client to reader, p50", "ms", prober_p50, target_max=P50_MAX_MS),
        Figure(f"{list_in} {at}, client to reader, p99", "ms", prober_p99, target_max=P99_MAX_MS),
    ]


def _rung(waits: Waits, rate: int) -> list[Figure]:
    name = f"play -> list in Redis at {rate:,} plays/s, client to reader"
    return [
        Figure(f"{name}, p50", "ms", (waits.prober_p50,)),
        Figure(f"{name}, p99", "ms", (waits.prober_p99,)),
    ]


def _said(waits: Waits) -> str:
    return (
        f"worker p50 {waits.worker_p50:.1f} p99 {waits.worker_p99:.1f} ms, "
        f"client to reader p50 {waits.prober_p50:.1f} p99 {waits.prober_p99:.1f} ms"
    )


if __name__ == "__main__":
    run_benchmarks(__doc__, [("latency", measure)])
