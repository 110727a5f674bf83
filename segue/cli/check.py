"""`segue check`: which references are in files, offline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import orjson
from rich.console import Console

from models.match.evidence import PROBABILITY_MIN
from segue.cli.abreast import cores, in_order
from segue.cli.index import report_failed, workers_option
from segue.cli.indexing import Filling
from segue.cli.matched import matched_row, matched_table
from segue.cli.matching import Checked, Checks, is_index, need, shipped_engine
from segue.cli.plotting import Plots
from segue.cli.recordings import listed, recordings, shown, sounds_in
from segue.cli.sounding import SoundProgress
from segue.errors import Misconfigured

__all__ = ["check"]

_LIST = "-"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say, except for the references."""

    files: tuple[str, ...]
    probability_min: float
    as_json: bool
    workers: int


@click.command()
@click.argument("files", metavar="[FILE...]", type=click.Path(), nargs=-1)
@click.option(
    "--references",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="An index, or a folder of files that are fingerprinted first.",
)
@click.option(
    "--save-index", type=click.Path(path_type=Path), help="Keep the index of that folder here."
)
@click.option(
    "--stop",
    type=click.Path(exists=True, path_type=Path),
    help="An index or a folder of sounds that are nobody's: jingles, applause, stock loops.",
)
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=PROBABILITY_MIN,
    show_default=True,
    help="Of a match that is told.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each file.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Draw what is aligned: a PNG for one FILE; for more, a folder of them.",
)
@workers_option
def check(  # noqa: PLR0913  # one for each option
    *,
    files: tuple[str, ...],
    references: Path,
    save_index: Path | None,
    stop: Path | None,
    min_probability: float,
    as_json: bool,
    plot: Path | None,
    workers: int | None,
) -> None:
    """Find which references are in FILEs: where, how they were changed, and how sure that is.

    FILE may be a folder. If it is `-`, or if there is none, paths are read from standard input, one
    a line, for as long as they come: memory does not grow with them. Anything that FFmpeg decodes
    is read. Results come in the order of the files, each as soon as it is known.

    With --json a line has file, matches (reference, probability, query_start_s, query_end_s,
    reference_start_s, reference_end_s, speed, pitch_semitones, tempo, repeats) and, if the file
    cannot be read, error; then the command goes on, and its exit code is 1.
    """
    need("av", "onnxruntime", "faiss")
    if not files and sys.stdin.isatty():
        raise click.UsageError("name a file, or give a list of them on standard input")
    is_one = len(files) == 1 and files[0] != _LIST and not Path(files[0]).is_dir()
    workers = workers or cores()
    asked = _Asked(files, min_probability, as_json, 1 if is_one else workers)
    plots = None if plot is None else Plots(plot, references, is_one=is_one)
    with ExitStack() as stack:
        if save_index is not None and is_index(references):
            raise click.UsageError("--save-index goes with a folder of files")

        def ready(folder: Path, into: Path | None = None) -> tuple[Path, bool]:
            """An index to read, and whether some of its files could not be."""
            if is_index(folder):
                return folder, False
            made = into or Path(stack.enter_context(TemporaryDirectory()))
            return made, _build(folder, made, workers)

        index, failed = ready(references, save_index)
        stopped, stop_failed = (None, False) if stop is None else ready(stop)
        failed = _check(asked, Checks(index, stopped), plots) or failed or stop_failed
    if failed:
        raise click.exceptions.Exit(1)


def _build(folder: Path, into: Path, workers: int) -> bool:
    """Make an index of files; returns whether some could not be read."""
    from models.match.index import MatchIndex

    if is_index(into):
        raise Misconfigured(
            f"{into} holds an index already",
            setting="--save-index",
            remedy=f"--references {into}, or `segue index build --update`",
        )
    found = [*recordings([str(folder)])]
    filling = Filling(MatchIndex(shipped_engine().identity), twins=False, into=into)
    filling.fill(found, workers=workers)
    report_failed(filling.filled.failed)
    if not len(filling.index):
        raise Misconfigured(
            f"{folder} holds neither an index nor sound that can be read",
            remedy="name a folder of audio files, or what `segue index build` made",
        )
    filling.save()
    return bool(filling.filled.failed)


def _check(asked: _Asked, checks: Checks, plots: Plots | None) -> bool:
    """Tell of each file; returns whether some could not be read."""
    failed = False
    total = len(asked.files) if _are_files(asked.files) else None
    with SoundProgress("files", total) as progress:
        paths = _paths(asked.files)
        for each in in_order(paths, checks, workers=asked.workers, heard=progress.heard):
            progress.done(each.seconds)
            failed = failed or each.error is not None
            _tell(each, asked)
            if plots is not None:
                plots.draw(each, asked.probability_min)
    return failed


def _are_files(files: tuple[str, ...]) -> bool:
    return bool(files) and not any(each == _LIST or Path(each).is_dir() for each in files)


def _paths(files: tuple[str, ...]) -> Iterator[str]:
    """What is named, what is in folders, what is listed."""
    for file in files or (_LIST,):
        if file == _LIST:
            stream = click.get_binary_stream("stdin")
            # Unbuffered: a line is there as soon as it comes, and nobody holds a lock meanwhile.
            for path in listed(getattr(stream, "raw", stream)):
                yield from sounds_in(path) if Path(path).is_dir() else (path,)
        elif Path(file).is_dir():
            yield from sounds_in(file)
        else:
            yield file


def _tell(checked: Checked, asked: _Asked) -> None:
    sure = [one for one in checked.findings if one.probability >= asked.probability_min]
    if asked.as_json:
        click.echo(orjson.dumps(matched_row(checked, sure)))
        return
    name = shown(checked.path)
    if checked.error is not None:
        click.echo(f"{name}: {checked.error}")
    elif sure:
        click.echo(f"{name}:")
        Console().print(matched_table(sure))
    else:
        best = max(checked.findings, key=lambda one: one.log_odds, default=None)
        but = "" if best is None else f" ({best.reference} with {best.probability:.2f})"
        click.echo(f"{name}: nothing found{but}")
