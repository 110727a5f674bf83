"""Every number of the README, on one private Kafka and Redis: what `make bench` runs.

    python -m bench.all [--json FILE] [--quick]

About 40 minutes on two quiet cores. Whatever else runs on the machine is in the numbers; ratios to
peers of the same run suffer least.
"""

from __future__ import annotations

from bench import (
    changelog,
    consume,
    demo_start,
    freshness,
    latency,
    memory,
    restart,
    scaling,
    serve,
    two_stages,
)
from bench.command import Measure, run_benchmarks

__all__ = ["BENCHMARKS"]

BENCHMARKS: tuple[tuple[str, Measure], ...] = (
    ("consume", consume.measure),
    ("serve", serve.measure),
    ("scaling", scaling.measure),
    ("latency", latency.measure),
    ("freshness", freshness.measure),
    ("changelog", changelog.measure),
    ("two_stages", two_stages.measure),
    ("restart", restart.measure),
    ("memory", memory.measure),
    ("demo_start", demo_start.measure),
)

if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS)
