"""`segue schemas`: write, check and show what is generated from the contract."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from schemas.catalogue import STRUCTS, json_schema
from schemas.documents import documents, pretty_json
from schemas.registry import TOPICS, spec_of
from segue.errors import SegueError

__all__ = ["schemas"]

_ROOT = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current folder",
    help="The repository's root; paths below it are fixed.",
)


@click.group()
def schemas() -> None:
    """JSON Schema, AsyncAPI and reference pages of the contract."""


@schemas.command()
@_ROOT
def export(root: Path) -> None:
    """Write schemas/export/ and the reference pages of topics and messages."""
    for name, text in documents().items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {name}")


@schemas.command()
@_ROOT
def check(root: Path) -> None:
    """Compare the files with the contract; exit 1 and name those that differ."""
    texts = documents()
    stale = [name for name, text in texts.items() if not _holds(root / name, text)]
    if stale:
        raise SegueError(
            f"not in step with the contract: {', '.join(stale)}",
            remedy="run `segue schemas export` and commit what it writes",
        )
    click.echo(f"{len(texts)} files are in step with the contract")


@schemas.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the JSON Schema of a type (PlayEvent) or what a topic (plays) is."""
    if name in STRUCTS:
        click.echo(pretty_json(json_schema(name)), nl=False)
        return
    try:
        spec = spec_of(name)
    except KeyError:
        known = ", ".join([*STRUCTS, *(spec.name for spec in TOPICS)])
        raise click.BadParameter(f"{name!r} is none of {known}", param_hint="NAME") from None
    click.echo(pretty_json({"topic": spec.topic(), **asdict(spec)}), nl=False)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
