"""What a run found, as tables on the terminal, JSON and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from bench.disguises.conditions import OFF_GRID, in_the_mean
from bench.disguises.scoring import Alerts, Cell

__all__ = ["Outcome", "as_data", "costs_table", "length_table", "plot"]


@dataclass(slots=True)
class Outcome:
    """What one system did: a cell for each length and condition, and what it cost."""

    system: str
    version: str
    cells: dict[float, dict[str, Cell]] = field(default_factory=dict)
    thresholds: dict[float, float] = field(default_factory=dict)
    fit_cpu_s: float | None = None
    ask_cpu_s: float | None = None
    asked: int = 0
    alerts: Alerts | None = None
    calibration_error: float | None = None

    def mean(self, seconds: float, *, sure: bool, off_grid: bool = False) -> float:
        """The mean of a length over the conditions of the mean, or over those beside it."""
        chosen = [
            cell.top1_sure if sure else cell.top1
            for name, cell in self.cells[seconds].items()
            if in_the_mean(name) != off_grid
        ]
        return float(np.mean(chosen)) if chosen else float("nan")

    def offsets(self, seconds: float) -> float:
        """Hits whose offset is right, in a hundred."""
        cells = self.cells[seconds].values()
        hits = sum(cell.right for cell in cells)
        return 100.0 * sum(cell.offsets for cell in cells) / hits if hits else float("nan")


def length_table(outcomes: Sequence[Outcome], seconds: float) -> Table:
    """Conditions by systems: top-1 %, in brackets at 1 % false positives."""
    table = Table(title=f"{seconds:g} s queries: top-1 % (at 1 % false positives)")
    table.add_column("condition")
    for each in outcomes:
        table.add_column(each.system, justify="right")
    names = list(outcomes[0].cells[seconds])
    inside = [name for name in names if in_the_mean(name)]
    for name in inside:
        table.add_row(name, *_row(each.cells[seconds][name] for each in outcomes))
    table.add_section()
    means = [
        f"{each.mean(seconds, sure=False):.1f} ({each.mean(seconds, sure=True):.1f})"
        for each in outcomes
    ]
    if inside:
        table.add_row(f"mean of {len(inside)}", *means)
    table.add_section()
    for name in names:
        if name in OFF_GRID:
            table.add_row(name, *_row(each.cells[seconds][name] for each in outcomes))
    table.add_section()
    table.add_row(
        "offset within 0.5 s, % of hits", *(f"{each.offsets(seconds):.1f}" for each in outcomes)
    )
    return table


def costs_table(outcomes: Sequence[Outcome]) -> Table:
    """What the systems cost, and what those that give probabilities are worth as alarms."""
    table = Table(title="costs and alarms")
    for title in ("system", "version", "index, CPU s", "query, CPU ms"):
        table.add_column(title, justify="left" if title in ("system", "version") else "right")
    table.add_column("false alerts, % of 10 s windows", justify="right")
    table.add_column("calibration error", justify="right")
    for each in outcomes:
        asked = None if each.ask_cpu_s is None else 1_000 * each.ask_cpu_s / max(1, each.asked)
        table.add_row(
            each.system,
            each.version,
            "" if each.fit_cpu_s is None else f"{each.fit_cpu_s:.0f}",
            "" if asked is None else f"{asked:.0f}",
            "" if each.alerts is None else f"{each.alerts.percent:.3f}",
            "" if each.calibration_error is None else f"{each.calibration_error:.3f}",
        )
    return table


def as_data(outcome: Outcome) -> dict[str, Any]:
    """An outcome for JSON."""
    lengths = {
        f"{seconds:g}": {
            "threshold": _finite(outcome.thresholds[seconds]),
            "mean_top1": _finite(outcome.mean(seconds, sure=False)),
            "mean_top1_at_1_percent_fp": _finite(outcome.mean(seconds, sure=True)),
            "off_grid_top1": _finite(outcome.mean(seconds, sure=False, off_grid=True)),
            "offsets_right": _finite(outcome.offsets(seconds)),
            "conditions": {
                name: {"top1": cell.top1, "top1_at_1_percent_fp": cell.top1_sure, **cell._asdict()}
                for name, cell in cells.items()
            },
        }
        for seconds, cells in outcome.cells.items()
    }
    alerts = outcome.alerts
    return {
        "system": outcome.system,
        "version": outcome.version,
        "fit_cpu_s": outcome.fit_cpu_s,
        "ask_cpu_s": outcome.ask_cpu_s,
        "asked": outcome.asked,
        "false_alerts": None
        if alerts is None
        else {"windows": alerts.windows, "percent": alerts.percent, "by_kind": alerts.false},
        "calibration_error": outcome.calibration_error,
        "lengths": lengths,
    }


def plot(outcomes: Sequence[Outcome], lengths: Sequence[float], file: Path) -> None:
    """A heat map a length: conditions by systems, top-1 % at 1 % false positives."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(outcomes[0].cells[lengths[0]])
    size = (1.6 + 0.9 * len(outcomes) * len(lengths), 1.5 + 0.26 * len(names))
    figure, axes = pyplot.subplots(1, len(lengths), figsize=size, sharey=True, squeeze=False)
    for axis, seconds in zip(axes[0], lengths, strict=True):
        values = np.array([_column(each.cells[seconds], names) for each in outcomes]).T
        axis.imshow(values, vmin=0, vmax=100, cmap="viridis", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            shade = "black" if value > 60 else "white"
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", color=shade, size=7)
        axis.set_title(f"{seconds:g} s")
        axis.set_xticks(range(len(outcomes)), [each.system for each in outcomes], rotation=60)
        axis.set_yticks(range(len(names)), names)
    figure.suptitle("top-1 % at 1 % false positives")
    figure.tight_layout()
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def _column(cells: Mapping[str, Cell], names: Sequence[str]) -> list[float]:
    return [cells[name].top1_sure for name in names]


def _row(cells: Iterable[Cell]) -> list[str]:
    return [f"{cell.top1:.0f} ({cell.top1_sure:.0f})" for cell in cells]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
