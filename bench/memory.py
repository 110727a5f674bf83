"""Bytes of memory per listener and per track in state, names apart.

    python -m bench.memory [--json FILE] [--quick]

A process of its own holds 1,000,000 listeners and as many tracks (`bench.filled_state`). Asked of
it: the bytes of state that are resident after a log; those once every column is written, which is
the limit; and what the process grew by in all, for a listener and a track with their names.
"""

from __future__ import annotations

import sys

import orjson

from bench.bed import Bed, Say
from bench.command import run_benchmarks
from bench.filled_state import PLAYS_EACH
from bench.measure import Figure, Plan

__all__ = ["measure"]

COUNT = 1_000_000
TIMEOUT_S = 1800.0
TARGET_BYTES = 1_500.0


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Fill a process once: memory does not vary from run to run."""
    count = plan.size(COUNT)
    say(f"{PLAYS_EACH * count:,} plays of {count:,} listeners and {count:,} tracks")
    said = await bed.program(
        [sys.executable, "-m", "bench.filled_state", str(count)], timeout_s=TIMEOUT_S
    )
    found = {name: float(value) for name, value in orjson.loads(said).items()}
    say(f"grew by {found['grown']:,.0f} bytes for a listener and a track, names included")
    of = f"of {count:,}"
    return [
        *(
            Figure(f"state of a {kind}, {of}{how}", "bytes", (found[name],), target_max=most)
            for kind in ("listener", "track")
            for how, name, most in (
                (", after a log", f"{kind}_held", TARGET_BYTES),
                (", every column full", f"{kind}_full", TARGET_BYTES),
            )
        ),
        Figure(
            f"names: what else a listener or a track takes, {of} each", "bytes", (found["names"],)
        ),
        Figure(f"process, for a listener and a track, {of} each", "bytes", (found["grown"],)),
    ]


if __name__ == "__main__":
    run_benchmarks(__doc__, [("memory", measure)])
