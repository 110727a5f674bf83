"""Play -> learned -> list in Redis: plays per CPU-second of the worker process.

    python -m bench.serve [--json FILE] [--quick]

A backlog of simulated plays waits in Kafka when the worker starts: of the people and tracks that
`segue simulate` has by default (2,000 and 3,000), and of 10,000 listeners and 20,000 tracks, where
a listener rarely plays twice in a batch and nearly every play is a list of its own. CPU of the
whole worker process (`segue worker`, all of its threads, from /proc) counts from a moment shortly
after the first play was applied until everything is done: every play applied, both lists in Redis,
its pairs and trends learned and published, lag 0 in all topics.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.bed import Bed, Say, send_backlog, simulated_plays
from bench.command import run_benchmarks
from bench.measure import Figure, Plan, process_cpu_s
from segue.demo.scrape import MetricsReader, Sample
from segue.local.worker_process import WorkerProcess

__all__ = ["Served", "measure", "serve_backlog", "wait_for"]

PLAYS = 200_000
CATALOGUES = ((2_000, 3_000), (10_000, 20_000))
TARGET_PER_CPU_S = 15_000
POLL_S = 0.5
START_POLL_S = 0.05
LAG_INTERVAL_S = 1.1
MARKERS_MAX = 32  # two topics between stages, four partitions, four tasks that commit to each
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker did with a backlog after its first plays."""

    plays: int
    cpu_s: float
    wall_s: float

    @property
    def per_cpu_s(self) -> float:
        """Return plays per CPU-second of the worker."""
        return self.plays / self.cpu_s

    @property
    def per_s(self) -> float:
        """Return plays per second of time, with everything else on the machine."""
        return self.plays / self.wall_s


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Serve the backlog `plan.runs` times, each with fresh topics, a fresh worker, empty Redis."""
    figures = []
    for listeners, tracks in CATALOGUES:
        figures += await _measure_catalogue(bed, plan, say, listeners, tracks)
    return figures


async def _measure_catalogue(
    bed: Bed, plan: Plan, say: Say, listeners: int, tracks: int
) -> list[Figure]:
    count = plan.size(PLAYS)
    say(f"making {count:,} plays of {listeners:,} listeners and {tracks:,} tracks")
    plays = simulated_plays(count, listeners=listeners, tracks=tracks)
    served = []
    for run in range(plan.runs):
        settings = await bed.fresh()
        await send_backlog(settings, plays)
        async with bed.worker(settings) as worker:
            served.append(await serve_backlog(worker, count))
        last = served[-1]
        say(f"run {run + 1}: {last.per_cpu_s:,.0f} plays/CPU-s, {last.per_s:,.0f} plays/s")
    people = f"{listeners:,} listeners, {tracks:,} tracks"
    return [
        Figure(
            f"play -> learned -> list in Redis; {people}",
            "plays per worker CPU-s",
            tuple(one.per_cpu_s for one in served),
            target_min=TARGET_PER_CPU_S,
        ),
        Figure(
            f"the same by the clock, all on one machine; {people}",
            "plays/s",
            tuple(s.per_s for s in served),
        ),
    ]


async def serve_backlog(worker: WorkerProcess, count: int) -> Served:
    """Watch a started worker do a backlog of `count` plays."""
    reader = MetricsReader([worker.endpoint.web_port], plays_agent="plays")
    first = await wait_for(reader, worker, START_POLL_S, at_least=1)
    pid = worker.process.pid
    assert pid is not None, "it answered"
    cpu_s, begin_s = process_cpu_s(pid), time.monotonic()
    await wait_for(reader, worker, POLL_S, at_least=count, drained=True)
    return Served(count - int(first.plays), process_cpu_s(pid) - cpu_s, time.monotonic() - begin_s)


async def wait_for(
    reader: MetricsReader,
    worker: WorkerProcess,
    poll_s: float,
    *,
    at_least: int,
    drained: bool = False,
) -> Sample:
    """Wait until a worker has taken `at_least` plays, and has nothing left if `drained`.

    Nothing left: the lag, which the worker looks at every second, has stayed where it is for longer
    than that, and is no more than the markers of commits, which stand after the last records of the
    topics between stages. Raises RuntimeError when it has ended or TIMEOUT_S have passed.
    """
    quiet_s, lag = float("inf"), -1.0
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        sample = await reader.read(time.monotonic())
        taken = sample.plays >= at_least
        quiet = taken and sample.lag == lag and lag <= MARKERS_MAX
        lag = sample.lag
        quiet_s = min(quiet_s, sample.at_s) if quiet else float("inf")
        if taken and (not drained or sample.at_s - quiet_s > LAG_INTERVAL_S):
            return sample
        if not worker.process.running or time.monotonic() > deadline_s:
            raise RuntimeError(f"worker: {worker.process.log_tail(5)}")
        await asyncio.sleep(poll_s)


if __name__ == "__main__":
    run_benchmarks(__doc__, [("serve", measure)])
