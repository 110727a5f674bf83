"""Figures: what was measured, how often, what it shall reach, and beside whom.

A `Figure` is pure data; `bench.report` prints it and writes it as JSON. CPU time of other
processes is read from /proc, so the benchmarks run on Linux only.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Figure", "Peer", "Plan", "process_cpu_s"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: `quick` is for trying a benchmark out, not for its numbers."""

    runs: int = 3
    quick: bool = False

    def size(self, count: int) -> int:
        """Return how many events to use where a full run uses `count`."""
        return max(1000, count // 10) if self.quick else count

    def size_s(self, seconds: float) -> float:
        """Return how long to measure where a full run takes `seconds`."""
        return seconds / 5 if self.quick else seconds


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's figure from the same runs, and the ratio ours shall reach."""

    name: str
    runs: tuple[float, ...]
    ratio_min: float | None = None

    @property
    def median(self) -> float:
        """Return the median of the peer's runs."""
        return statistics.median(self.runs)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: its runs, its limit (at least `target_min` or at most `target_max`), its peer."""

    name: str
    unit: str
    runs: tuple[float, ...]
    target_min: float | None = None
    target_max: float | None = None
    peer: Peer | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Return the median of the runs."""
        return statistics.median(self.runs)

    @property
    def ratio(self) -> float | None:
        """Return how many times the peer this is.

        Runs were made in turns, so the machine's noise of one run is in both: the median of the
        ratios where each run has its peer, else the ratio of the medians.
        """
        if self.peer is None:
            return None
        if len(self.peer.runs) == len(self.runs):
            return statistics.median(_ratios(self.runs, self.peer.runs))
        return self.median / self.peer.median

    @property
    def reached(self) -> bool | None:
        """Whether every target is reached; None if there is none."""
        checks: list[bool] = []
        if self.target_min is not None:
            checks.append(self.median >= self.target_min)
        if self.target_max is not None:
            checks.append(self.median <= self.target_max)
        ratio = self.ratio
        if ratio is not None and self.peer is not None and self.peer.ratio_min is not None:
            checks.append(ratio >= self.peer.ratio_min)
        return all(checks) if checks else None


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds a process and its threads have used, children not included.

    Resolution is the kernel's tick (10 ms). Raises ProcessLookupError if there is no such process.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]
