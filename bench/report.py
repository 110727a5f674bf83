"""Prints figures as one table and writes them as JSON, with the machine and the commit."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.measure import Figure, Plan

__all__ = ["as_json", "figure_table", "machine", "number", "show", "target_text"]

ROOT = Path(__file__).resolve().parents[1]


def number(value: float) -> str:
    """Return a number for people: 3 digits that matter, thousands set apart.

    >>> number(151234.5), number(12.345), number(0.0456)
    ('151,000', '12.3', '0.0456')
    """
    if abs(value) >= 100:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def target_text(figure: Figure) -> str:
    """Return the targets of a figure in words; empty if it has none."""
    parts = []
    if figure.target_min is not None:
        parts.append(f"≥ {number(figure.target_min)}")
    if figure.target_max is not None:
        parts.append(f"≤ {number(figure.target_max)}")
    if figure.peer is not None and figure.peer.ratio_min is not None:
        parts.append(f"≥ {number(figure.peer.ratio_min)} ×")
    return ", ".join(parts)


def figure_table(figures: Sequence[Figure]) -> Table:
    """Return the table: number, median, target, peer, ratio, runs."""
    table = Table(expand=False)
    table.add_column("number", overflow="fold", min_width=28)
    for title in ("median", "target"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("peer", overflow="fold", min_width=12)
    for title in ("peer's", "ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    marks = {True: "reached", False: "MISSED", None: ""}
    for figure in figures:
        peer, ratio = figure.peer, figure.ratio
        table.add_row(
            f"{figure.name}, {figure.unit}",
            number(figure.median),
            target_text(figure),
            peer.name if peer else "",
            number(peer.median) if peer else "",
            "" if ratio is None else f"{number(ratio)} ×",
            f"{len(figure.runs)}: {number(min(figure.runs))}-{number(max(figure.runs))}",
            marks[figure.reached],
        )
    return table


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on, and of which commit."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
        "commit": _commit(),
    }


def as_json(figures: Sequence[Figure], measured_on: dict[str, Any], plan: Plan) -> bytes:
    """Return figures, medians and ratios, with where and when, as JSON."""
    rows = [
        {
            **dataclasses.asdict(figure),
            "median": figure.median,
            "ratio": figure.ratio,
            "reached": figure.reached,
        }
        for figure in figures
    ]
    report = {
        "machine": measured_on,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": plan.quick,
        "figures": rows,
    }
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def show(
    console: Console, figures: Sequence[Figure], measured_on: dict[str, Any], *, plan: Plan
) -> None:
    """Print the table, notes below it, and the machine."""
    console.print(figure_table(figures))
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        console.print(f"  {note}", highlight=False, markup=False, soft_wrap=True)
    said = ", ".join(f"{name} {value}" for name, value in measured_on.items())
    console.print(f"  {said}", highlight=False, markup=False, soft_wrap=True)
    if plan.quick:
        console.print("  --quick: too short for numbers that count", highlight=False)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _commit() -> str:
    """Return the short commit, with `+` if the tree differs from it; `unknown` without git."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments],  # whichever git the person uses
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()
