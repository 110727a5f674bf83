"""`segue index build|info|merge|verify`: the references that uploads are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segue.cli.abreast import cores
from segue.cli.indexing import Filling, merged
from segue.cli.matching import is_index, need, opened, shipped_engine
from segue.cli.recordings import recordings, shown
from segue.errors import Misconfigured, SegueError

if TYPE_CHECKING:
    from models.match.files import Manifest
    from models.match.index import MatchIndex
    from models.match.twins import Twin

__all__ = ["index", "report_failed", "workers_option"]

_INDEX = click.Path(path_type=Path, file_okay=False)
_TOLD_MAX: Final = 20

workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes, one core each; as many as there are cores if it is not said.",
)


@click.group()
def index() -> None:
    """Build, merge and verify indexes of references, and see what they hold."""


@index.command()
@click.argument("paths", metavar="DIR|FILE...", type=click.Path(exists=True), nargs=-1)
@click.option("--into", type=_INDEX, required=True, help="The folder of the index.")
@click.option("--update", is_flag=True, help="Add to it what is new, replace what has changed.")
@click.option(
    "--remove-missing", is_flag=True, help="With --update: forget references without a file."
)
@click.option("--no-duplicates", is_flag=True, help="Do not look for references that are the same.")
@workers_option
def build(
    *,
    paths: tuple[str, ...],
    into: Path,
    update: bool,
    remove_missing: bool,
    no_duplicates: bool,
    workers: int | None,
) -> None:
    """Fingerprint files, and those in folders, into an index.

    A reference is named by its path below the folder, without the suffix; a file that is named, by
    its name. With --update a file whose size and time are as they were is not read, and one whose
    bytes are as they were is not fingerprinted. The index is replaced at once, whole. What could
    not be read is told at the end; then the exit code is 1. So are references that are largely the
    same recording, at the same speed.
    """
    need("av", "onnxruntime", "faiss")
    if not paths:
        raise click.UsageError("name a folder or a file")
    _check_place(into, update=update)
    if remove_missing and not update:
        raise click.UsageError("--remove-missing goes with --update")
    found = [*recordings(paths)]
    if not found:
        raise Misconfigured(
            f"no file in {', '.join(map(shown, paths))} has the name of a sound file",
            remedy="name the files themselves, however they end",
        )
    filling = Filling(_held(into), twins=not no_duplicates, into=into)
    filling.fill(found, workers=workers or cores())
    if remove_missing:
        filling.remove_missing(found)
    if not len(filling.index):
        report_failed(filling.filled.failed)
        raise SegueError("no reference could be made, so no index is written")
    filling.save()
    _report(filling, into)
    if filling.filled.failed:
        raise click.exceptions.Exit(1)


@index.command()
@click.argument("path", metavar="INDEX", type=_INDEX)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info(*, path: Path, as_json: bool) -> None:
    """Show how much an INDEX holds, and what it takes."""
    need("faiss")
    manifest, held = _read(path)
    about = _about(path, manifest, held)
    if as_json:
        click.echo(orjson.dumps(about, option=orjson.OPT_INDENT_2))
        return
    table = Table(show_header=False, title=Text(shown(path)))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, value in about.items():
        said = f"{value:,.2f}" if isinstance(value, float) else value
        table.add_row(name.replace("_", " "), f"{said:,}" if isinstance(said, int) else str(said))
    Console().print(table)


@index.command()
@click.argument("paths", metavar="INDEX INDEX...", type=_INDEX, nargs=-1)
@click.option("--into", type=_INDEX, required=True, help="The folder of the new index.")
@click.option("--prefix", is_flag=True, help="Name each reference INDEX/NAME, by its folder.")
@click.option("--prefer-first", is_flag=True, help="Of two with one name keep the first.")
def merge(*, paths: tuple[Path, ...], into: Path, prefix: bool, prefer_first: bool) -> None:
    """Put two or more indexes of one encoder together into a new one.

    References of one name with the same print are one. With another print they are an error,
    unless --prefix tells them apart or --prefer-first chooses.
    """
    need("faiss")
    if len(paths) < 2:
        raise click.UsageError("name two indexes or more")
    if prefix and len({path.resolve().name for path in paths}) < len(paths):
        raise click.UsageError("--prefix needs indexes in folders of different names")
    _check_place(into, update=False)
    held = [_read(path) for path in paths]
    kinds = {manifest.configuration for manifest, _ in held}
    if len(kinds) > 1:
        raise Misconfigured(
            "the indexes are of different encoders, so their references cannot be compared",
            remedy="build them again with this version",
        )
    names = [f"{path.resolve().name}/" if prefix else "" for path in paths]
    made, conflicts = merged([*zip(names, (one for _, one in held), strict=True)])
    if conflicts and not prefer_first:
        told = ", ".join(conflicts[:5]) + (" ..." if len(conflicts) > 5 else "")
        raise SegueError(
            f"{len(conflicts)} references have the same name and another print: {told}",
            remedy="--prefix names them by their index, --prefer-first keeps those of the first",
        )
    made.save(into, made.note)
    click.echo(f"{shown(into)}: {len(made):,} references of {len(paths)} indexes")
    if conflicts:
        click.echo(f"{len(conflicts):,} were left out for one of the same name before them")


@index.command()
@click.argument("path", metavar="INDEX", type=_INDEX)
def verify(*, path: Path) -> None:
    """Read all of an INDEX, compare checksums, and see that this version's encoder made it."""
    need("onnxruntime", "faiss", "av")
    manifest, _ = _read(path)
    identity = shipped_engine().identity
    if manifest.configuration != identity:
        raise SegueError(
            f"{shown(path)} is whole, but made by encoder {manifest.configuration}; to this"
            f" version's, {identity}, its prints are noise",
            remedy="build it again from the files with `segue index build`",
        )
    click.echo(
        f"{shown(path)} is whole: {manifest.reference_count:,} references,"
        f" {manifest.vector_count:,} vectors, of this version's encoder"
    )


def report_failed(failed: Sequence[tuple[str, str]]) -> None:
    """Tell which files could not be made a reference, the first twenty."""
    for path, reason in failed[:_TOLD_MAX]:
        click.echo(f"{path}: {reason}", err=True)
    if len(failed) > _TOLD_MAX:
        click.echo(f"and {len(failed) - _TOLD_MAX:,} more", err=True)


def _check_place(into: Path, *, update: bool) -> None:
    """Raise Misconfigured if an index would overwrite one, or stand among other files."""
    if is_index(into):
        if not update:
            raise Misconfigured(
                f"{shown(into)} holds an index already",
                setting="--into",
                remedy="`segue index build --update` adds to it; else name another folder",
            )
    elif into.is_dir() and any(into.iterdir()):
        raise Misconfigured(
            f"{shown(into)} holds other files, and no index",
            setting="--into",
            remedy="name a new folder",
        )


def _held(into: Path) -> MatchIndex:
    from models.match.index import MatchIndex

    engine = shipped_engine()
    return opened(into, engine) if is_index(into) else MatchIndex(engine.identity)


def _read(path: Path) -> tuple[Manifest, MatchIndex]:
    """An index of any encoder. Raises SegueError that says what is wrong with it."""
    from models.match import snapshot
    from models.match.files import IndexRefused
    from models.match.index import MatchIndex

    try:
        manifest = snapshot.verify(path)
        return manifest, MatchIndex.load(path, manifest.configuration)
    except IndexRefused as error:
        raise SegueError(str(error)) from error


def _about(path: Path, manifest: Manifest, held: MatchIndex) -> dict[str, int | float | str]:
    sizes = asdict(held.sizes())
    prints = (held.print_of(slot) for slot in map(held.slot_of, held) if slot is not None)
    hours = sum(each.seconds for each in prints if each is not None) / 3600
    searchable = sizes["searchable_bytes"]
    return {
        "references": sizes["references"],
        "hours": hours,
        "vectors": held.vector_count,
        "hot_vectors": sizes["hot_count"],
        "cold_vectors": sizes["cold_count"],
        "dead_vectors": sizes["dead_count"],
        "searchable_bytes": searchable,
        "searchable_bytes_per_hour": round(searchable / hours) if hours else 0,
        "rescoring_bytes": sizes["rescoring_bytes"],
        "peak_bytes": sizes["peak_bytes"],
        "disk_bytes": sum(file.stat().st_size for file in path.iterdir()),
        "encoder": manifest.configuration,
        "format": manifest.format,
    }


def _report(filling: Filling, into: Path) -> None:
    filled, passed_s = filling.filled, filling.passed_s
    counts = {
        "added": filled.added,
        "replaced": filled.replaced,
        "unchanged": filled.unchanged,
        "removed": filled.removed,
        "not readable": len(filled.failed),
    }
    click.echo(
        f"{shown(into)}: {len(filling.index):,} references ("
        + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        + f"), {filled.seconds / 3600:.2f} h in {passed_s:.1f} s,"
        f" {filled.seconds / max(passed_s, 1e-3):,.0f} × real time"
    )
    if filled.twins:
        Console().print(_twins_table(filled.twins))
    report_failed(filled.failed)


def _twins_table(twins: Sequence[Twin]) -> Table:
    table = Table(title="largely the same recording")
    for heading in ("reference", "holds", "share of that"):
        table.add_column(heading, justify="right" if "share" in heading else "left")
    for twin in twins[:_TOLD_MAX]:
        table.add_row(Text(twin.outer), Text(f"⊇ {twin.inner}"), f"{twin.share:.0%}")
    if len(twins) > _TOLD_MAX:
        table.caption = f"and {len(twins) - _TOLD_MAX:,} more"
    return table
