"""Two stages exactly once, with the simplest state there is: plays per CPU-second.

    python -m bench.two_stages [--json FILE] [--quick]

A worker with the product's transport, intake and partition tasks counts a backlog of 188-byte plays
by listener and sends each flush's tracks on to a second stage that counts by track. State,
changelogs, what is sent on and input offsets are committed in Kafka transactions. CPU is the
worker's own clock from its first plays until both stages have all plays and committed them.
"""

from __future__ import annotations

import sys

import orjson

from bench.bed import Bed, Say, send_backlog
from bench.command import run_benchmarks
from bench.measure import Figure, Plan
from bench.plays import small_plays
from segue.local.worker_process import worker_environment

__all__ = ["measure"]

PLAYS = 400_000
TARGET_PER_CPU_S = 60_000
TIMEOUT_S = 240.0


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Count the same backlog `plan.runs` times, each in fresh topics."""
    count = plan.size(PLAYS)
    say(f"making {count:,} plays")
    plays = list(small_plays(count))
    rates = []
    for run in range(plan.runs):
        settings = await bed.fresh(log_level="warning")
        await send_backlog(settings, plays)
        said = await bed.program(
            [sys.executable, "-m", "bench.counting_worker", str(count)],
            env=worker_environment(settings),
            timeout_s=TIMEOUT_S,
        )
        result = orjson.loads(said)
        rates.append(result["events"] / result["cpu_s"])
        say(f"run {run + 1}: {rates[-1]:,.0f} plays/CPU-s, {result['wall_s']:.1f} s")
    return [
        Figure(
            "two stages exactly once, trivial state",
            "plays per CPU-s",
            tuple(rates),
            target_min=TARGET_PER_CPU_S,
        )
    ]


if __name__ == "__main__":
    run_benchmarks(__doc__, [("two_stages", measure)])
