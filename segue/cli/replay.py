"""`segue replay`: run a log of past plays through the models in this process, and keep score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson
from rich.console import Console
from rich.table import Table

from segue.clock import SystemClock
from segue.config import Settings, load_settings
from segue.errors import Misconfigured, SegueError
from segue.sim.logfile import open_log
from segue.sim.logrows import BadRows
from segue.sim.progress import FeedProgress

if TYPE_CHECKING:
    from models.evaluate.prequential import Report
    from models.recommend.pipeline import Pipeline

_QUESTIONS = {"new": "next track, new to the listener", "all": "next track, repeats included"}
_ARMS = {"segue": "segue", "popular": "most popular"}
_BATCH_ROWS = 1_000
_LIST_LENGTH_MIN = 20

COUNT = click.IntRange(min=0)
FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--lag",
    "lag_plays",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Rows and trends learn what listeners did every so many plays.",
)
@click.option(
    "--warmup",
    "warmup_plays",
    type=COUNT,
    default=0,
    show_default=True,
    help="Plays at the start that are learned but not scored.",
)
@click.option("--json", "json_path", type=FILE, help="Write the scores to this file.")
@click.option("--plot", "plot_path", type=FILE, help="Draw HR@10 over the log to this PNG.")
def replay(
    file: Path, lag_plays: int, warmup_plays: int, json_path: Path | None, plot_path: Path | None
) -> None:
    """Test, then learn: look up each play of FILE in the lists made before it.

    FILE is Parquet or CSV with columns user, item, ts; optional are session, weight, artist,
    market, event_id, played_ms and duration_ms. The models are those of the workers; Kafka and
    Redis are not used. Rows that cannot be plays are counted and shown; then the exit code is 1.
    """
    for option, path in (("--json", json_path), ("--plot", plot_path)):
        if path is not None and not path.parent.is_dir():
            raise Misconfigured(f"{option}: there is no folder {path.parent}", setting=option)
    console, bad = Console(stderr=True), BadRows()
    report = _run(file, bad, console, lag_plays=lag_plays, warmup_plays=warmup_plays)
    Console().print(_table(report, file.name))
    if json_path is not None:
        json_path.write_bytes(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")
    if plot_path is not None:
        _plot(report, plot_path, file.name)
    for line in bad.lines():
        console.print(f"  {line}", highlight=False, markup=False)
    if bad.count:
        raise SegueError(
            f"{bad.count:,} rows of {file.name} are no plays; the others were replayed"
        )


def _run(
    file: Path, bad: BadRows, console: Console, *, lag_plays: int, warmup_plays: int
) -> Report:
    # Compiled code takes a second to load: not before it is wanted.
    from models.evaluate.prequential import Prequential
    from models.recommend import warm

    settings = load_settings()
    with console.status(f"looking through {file.name}"):
        log = open_log(file)
    with console.status("loading compiled models (seconds, the first time)"):
        warm()
    evaluation = Prequential(
        _pipeline(settings),
        lag_plays=lag_plays,
        warmup_plays=warmup_plays,
        point_plays=max(1_000, log.rows // 50),
    )
    with FeedProgress(console, SystemClock(), title="plays", total=log.rows) as progress:
        for batch in log.batches(bad, batch_rows=_BATCH_ROWS):
            evaluation.step(batch.plays)
            progress.update(batch.next_row)
    return evaluation.report


def _pipeline(settings: Settings) -> Pipeline:
    """All partitions in one: the same limits in sum."""
    from models.recommend import ListenerLimits
    from models.recommend.pipeline import Pipeline

    limits = ListenerLimits(
        listeners_max=settings.listeners_per_partition_max * settings.partitions,
        dedupe_window=settings.dedupe_window,
        lateness_ms=settings.lateness_ms,
        session_gap_ms=settings.session_gap_ms,
    )
    return Pipeline(
        limits,
        list_length=max(settings.list_length, _LIST_LENGTH_MIN),
        tracks_max=settings.tracks_per_partition_max * settings.partitions,
    )


def _table(report: Report, name: str) -> Table:
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
    table = Table(title=f"{name}: {report.plays:,} plays ({outcomes or 'none'})")
    for heading in ("asked", "list", "trials", "HR@10", "HR@20", "MRR@20"):
        table.add_column(heading, justify="left" if heading in ("asked", "list") else "right")
    for question, asked in _QUESTIONS.items():
        for arm, label in _ARMS.items():
            score = report.scores[f"{question}.{arm}"]
            rates = [f"{rate:.4f}" for rate in score.rates.values()]
            table.add_row(asked, label, f"{score.trials:,}", *rates)
        table.add_section()
    return table


def _plot(report: Report, path: Path, name: str) -> None:
    from models.evaluate.plot import plot_report

    try:
        plot_report(report, path, title=f"{name}: test, then learn")
    except ImportError as error:
        raise Misconfigured(
            "--plot needs matplotlib", setting="--plot", remedy="install segue[logs]"
        ) from error
