"""Hit rates over time, as a picture. Imports matplotlib when called, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.evaluate.prequential import Report

__all__ = ["plot_report"]

_TITLES: Final = {"new": "tracks new to the listener", "any": "any next track"}


def plot_report(report: Report, path: Path, *, title: str) -> None:
    """Write HR@10 by question and arm to a PNG. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    figure = Figure(figsize=(11, 4), layout="constrained")
    for place, (question, heading) in enumerate(_TITLES.items(), start=1):
        axes = figure.add_subplot(1, 2, place)
        for arm in report.scores:
            rates = [point.hr10[arm][question] for point in report.points]
            plays = [point.plays for point in report.points]
            axes.plot(plays, rates, label=arm, zorder=3 if arm == "default" else 2)
        axes.set_title(heading)
        axes.set_xlabel("plays")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_ylabel("HR@10")
        axes.set_ylim(bottom=0)
    # Beside the axes, once: over them it would hide the newest points.
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    figure.suptitle(title)
    figure.savefig(path, format="png", dpi=120)
