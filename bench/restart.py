"""Restart after SIGKILL with the state of a million plays: seconds until the worker is ready.

    python -m bench.restart [--json FILE] [--quick]

A worker takes in a million simulated plays (50,000 listeners, 50,000 tracks) and commits them. Then
it is killed and started again; the time counts from the start of the process until /health/ready
answers 200: the interpreter, imports, compiled code, joining the group (the dead worker's session
must run out first) and all state restored from the changelogs.
"""

from __future__ import annotations

import asyncio
import time

from bench.bed import Bed, Say, send_backlog, simulated_plays
from bench.command import run_benchmarks
from bench.measure import Figure, Plan
from bench.serve import wait_for
from segue.config import Settings
from segue.demo.scrape import MetricsReader
from segue.local.worker_process import WorkerProcess

__all__ = ["measure"]

PLAYS = 1_000_000
SLICE_PLAYS = 200_000
LISTENERS, TRACKS = 50_000, 50_000
READY_MAX_S = 20.0
TIMEOUT_S = 120.0
POLL_S = 0.05


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Fill the state once, then kill and restart `plan.runs` times."""
    settings = await bed.fresh()
    count = plan.size(PLAYS)
    worker = bed.worker_process(settings)
    await worker.start()
    try:
        await _fill(settings, worker, count, say)
        waits = []
        for run in range(plan.runs):
            await worker.process.kill()
            waits.append(await _restart(worker))
            say(f"run {run + 1}: ready after {waits[-1]:.1f} s")
    finally:
        await worker.stop()
    return [
        Figure(
            f"ready after SIGKILL, state of {count:,} plays",
            "s",
            tuple(waits),
            target_max=READY_MAX_S,
        )
    ]


async def _fill(settings: Settings, worker: WorkerProcess, count: int, say: Say) -> None:
    """Send the plays in slices and wait until each is learned, the last one also committed."""
    plays = simulated_plays(count, listeners=LISTENERS, tracks=TRACKS)
    reader = MetricsReader([worker.endpoint.web_port], plays_agent="plays")
    for start in range(0, count, SLICE_PLAYS):
        await send_backlog(settings, plays[start : start + SLICE_PLAYS])
        done = min(count, start + SLICE_PLAYS)
        await wait_for(reader, worker, 0.5, at_least=done, drained=done == count)
        say(f"{done:,} of {count:,} plays learned")
    # What was learned last is committed by then.
    await asyncio.sleep(2 * settings.sink_flush_interval_s)


async def _restart(worker: WorkerProcess) -> float:
    """Start a killed worker; return how long it took to be ready."""
    began_s = time.monotonic()
    await worker.start()
    while not (await worker.probe()).ready:
        if not worker.process.running or time.monotonic() - began_s > TIMEOUT_S:
            raise RuntimeError(f"worker: {worker.process.log_tail(5)}")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began_s


if __name__ == "__main__":
    run_benchmarks(__doc__, [("restart", measure)])
