"""The command line that every benchmark has: `python -m bench.NAME [--json FILE] [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console

from bench.bed import Bed, Say, test_bed
from bench.measure import Figure, Plan
from bench.report import as_json, machine, show

__all__ = ["Measure", "run_benchmarks"]

Measure = Callable[[Bed, Plan, Say], Awaitable[list[Figure]]]

RUNS = 3
TABLE_WIDTH = 140


def run_benchmarks(doc: str | None, measures: Sequence[tuple[str, Measure]]) -> None:
    """Read the arguments, run each benchmark on one bed, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one run")
    parser.add_argument("--runs", type=int, help=f"how often to measure (default {RUNS})")
    arguments = parser.parse_args()
    plan = Plan(arguments.runs or (1 if arguments.quick else RUNS), arguments.quick)
    console = Console() if Console().is_terminal else Console(width=TABLE_WIDTH)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leader at first
    begin_s = time.monotonic()

    def say(text: str) -> None:
        passed_s = time.monotonic() - begin_s
        console.print(f"{passed_s:6.0f} s  {text}", highlight=False, markup=False, soft_wrap=True)

    measured_on = machine()
    try:
        figures = asyncio.run(_run(measures, plan, say))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped; nothing is left running")
    show(console, figures, measured_on, plan=plan)
    if arguments.json is not None:
        arguments.json.write_bytes(as_json(figures, measured_on, plan))


async def _run(measures: Sequence[tuple[str, Measure]], plan: Plan, say: Say) -> list[Figure]:
    figures: list[Figure] = []
    running = asyncio.current_task()
    assert running is not None, "this is a coroutine of a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    say("starting a private Kafka and Redis")
    async with test_bed() as bed:
        for name, measure in measures:
            figures += await measure(bed, plan, _named(say, name))
    return figures


def _named(say: Say, name: str) -> Say:
    return lambda text: say(f"{name}: {text}")
