"""`segue replay`: run a log of past plays through the models in this process, and keep score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console

from models.evaluate.scores import BIASED_MF, DEFAULT, DEPTH, POPULAR, REPLAY_ARMS, WITHOUT
from schemas.outputs import SOURCES
from segue.cli.scored import differences_table, scores_table
from segue.cli.tuning import current_values, tuning_dict, tuning_lines, tuning_table
from segue.clock import SystemClock
from segue.config import Settings, load_settings
from segue.errors import Misconfigured, SegueError
from segue.sim.logfile import open_log
from segue.sim.logrows import BadRows
from segue.sim.progress import FeedProgress

if TYPE_CHECKING:
    from models.evaluate.prequential import Report, Sample
    from models.evaluate.tuning import Tuning
    from models.recommend.pipeline import Pipeline

_BATCH_ROWS = 1_000
_TUNED_SHARE = 0.5

FILE = click.Path(path_type=Path)


class _Arms(click.ParamType):
    """Names of arms, joined by commas."""

    name = "arms"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, each once."""
        names = tuple(dict.fromkeys(name.strip() for name in str(value).split(",")))
        if unknown := [name for name in names if name not in REPLAY_ARMS]:
            there_are = ", ".join(REPLAY_ARMS)
            self.fail(f"no arm is called {unknown[0]!r}; there are {there_are}", param, ctx)
        return names


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say about the evaluation."""

    arms: tuple[str, ...]
    lag_plays: int
    warmup: float
    evaluate: int | None
    seed: int
    tune: bool


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--arms",
    type=_Arms(),
    default="default,popular",
    show_default=True,
    help="What to score: default (the lists as shipped), popular, without-SOURCE, biased-mf "
    "(River's BiasedMF, for comparison; slow: milliseconds for each play that is scored).",
)
@click.option(
    "--lag",
    "lag_plays",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Plays after which others' lists know of a play.",
)
@click.option(
    "--warmup",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the log, at its start, that is learned but not scored.",
)
@click.option(
    "--evaluate",
    type=click.IntRange(min=1),
    help="Score so many plays, drawn from those after the warm-up, instead of all of them.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of all draws: --evaluate, --tune, biased-mf.",
)
@click.option(
    "--tune",
    is_flag=True,
    help="Search settings on the first half of the log; score what is found on the second.",
)
@click.option("--json", "json_path", type=FILE, help="Write the scores to this file.")
@click.option("--plot", "plot_path", type=FILE, help="Draw HR@10 over the log to this PNG.")
def replay(  # noqa: PLR0913  # one argument per option
    file: Path,
    arms: tuple[str, ...],
    lag_plays: int,
    warmup: float,
    evaluate: int | None,
    seed: int,
    tune: bool,
    json_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Test, then learn: look up each play of FILE in the lists made before it.

    FILE is Parquet or CSV with columns user, item, ts; optional are session, weight, artist,
    market, event_id, played_ms and duration_ms. The models are those of the workers, without
    product filters; Kafka and Redis are not used. All arms are asked the same plays; intervals of
    95 % follow from how far 16 cohorts of listeners differ. Rows that cannot be plays are counted
    and shown; then the exit code is 1.
    """
    for option, path in (("--json", json_path), ("--plot", plot_path)):
        if path is not None and not path.parent.is_dir():
            raise Misconfigured(f"{option}: there is no folder {path.parent}", setting=option)
    console, bad = Console(stderr=True), BadRows()
    clock_s = SystemClock().monotonic_s
    started_s = clock_s()
    asked = _Asked(arms, lag_plays, warmup, evaluate, seed, tune)
    report, tuning = _run(file, bad, console, asked)
    seconds = clock_s() - started_s
    Console().print(
        scores_table(report, f"{file.name}: {report.plays:,} plays in {seconds:,.0f} s")
    )
    if len(report.scores) > 1:
        Console().print(differences_table(report))
    found: dict[str, object] = {"seconds": round(seconds, 3)} | report.as_dict()
    if tuning is not None:
        now = current_values(load_settings())
        Console().print(tuning_table(tuning, now))
        for line in tuning_lines(tuning, now):
            click.echo(line)
        found["tune"] = tuning_dict(tuning, now)
    if json_path is not None:
        json_path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    if plot_path is not None:
        _plot(report, plot_path, file.name)
    for line in bad.lines():
        console.print(f"  {line}", highlight=False, markup=False)
    if bad.count:
        raise SegueError(
            f"{bad.count:,} rows of {file.name} are no plays; the others were replayed"
        )


def _run(file: Path, bad: BadRows, console: Console, asked: _Asked) -> tuple[Report, Tuning | None]:
    # Compiled code takes a second to load: not before it is wanted.
    from models.evaluate.biased_mf import BiasedMf
    from models.evaluate.prequential import Prequential
    from models.evaluate.tuning import TUNED, Tuning, draw_candidates
    from models.recommend import warm

    settings = load_settings()
    with console.status(f"looking through {file.name}"):
        log = open_log(file)
    with console.status("loading compiled models (seconds, the first time)"):
        warm()
    tuned_plays = round(_TUNED_SHARE * log.rows) if asked.tune else 0
    made = [arm for arm in asked.arms if arm not in (POPULAR, BIASED_MF)] or [DEFAULT]
    candidates = draw_candidates(current_values(settings), seed=asked.seed) if asked.tune else {}
    first = [DEFAULT] if asked.tune and DEFAULT not in made else []
    pipelines = {arm: _pipeline(settings, arm) for arm in (*first, *made)} | {
        arm: _pipeline(settings.model_copy(update=dict(values)), DEFAULT)
        for arm, values in candidates.items()
    }
    evaluation = Prequential(
        pipelines,
        popular=POPULAR in asked.arms,
        baselines={BIASED_MF: BiasedMf[str](seed=asked.seed)} if BIASED_MF in asked.arms else None,
        lag_plays=asked.lag_plays,
        sample=_sample(asked, log.rows, tuned_plays),
        point_plays=max(1_000, log.rows // 50),
    )
    tuning = Tuning(evaluation, candidates, tuned_plays) if asked.tune else None
    step = evaluation.step if tuning is None else tuning.step
    with FeedProgress(console, SystemClock(), title="plays", total=log.rows) as progress:
        for batch in log.batches(bad, batch_rows=_BATCH_ROWS):
            step(batch.plays)
            progress.update(batch.next_row)
    report = evaluation.report
    shown = [arm for arm in (*asked.arms, TUNED) if arm in report.scores]
    report.scores = {arm: report.scores[arm] for arm in shown}
    return report, tuning


def _sample(asked: _Asked, rows: int, tuned_plays: int) -> Sample:
    """Which plays are asked: after the warm-up, and as many of those that settings are tuned on."""
    from models.evaluate.prequential import Sample

    start = round(asked.warmup * rows)
    if asked.evaluate is None:
        return Sample(start)
    size, seed = asked.evaluate, asked.seed
    scored = Sample.of(rows, start=max(start, tuned_plays), size=size, seed=seed)
    tuned = Sample.of(tuned_plays, start=min(start, tuned_plays), size=size, seed=seed)
    return Sample(start, (scored.chosen or frozenset()) | (tuned.chosen or frozenset()))


def _pipeline(settings: Settings, arm: str) -> Pipeline:
    """All partitions in one: the same limits in sum."""
    from models.recommend import ListenerLimits
    from models.recommend.kernels.scene import Rates
    from models.recommend.pipeline import Pipeline

    limits = ListenerLimits(
        listeners_max=settings.listeners_per_partition_max * settings.partitions,
        dedupe_window=settings.dedupe_window,
        lateness_ms=settings.lateness_ms,
        session_gap_ms=settings.session_gap_ms,
    )
    return Pipeline(
        limits,
        list_length=max(settings.list_length, DEPTH),
        tracks_max=settings.tracks_per_partition_max * settings.partitions,
        filtered=False,
        without=next((source for source in SOURCES if arm == WITHOUT + source), None),
        rates=Rates(settings.context_decay, settings.learning_rate),
    )


def _plot(report: Report, path: Path, name: str) -> None:
    from models.evaluate.plot import plot_report

    try:
        plot_report(report, path, title=f"{name}: test, then learn")
    except ImportError as error:
        raise Misconfigured(
            "--plot needs matplotlib", setting="--plot", remedy="install segue[logs]"
        ) from error
