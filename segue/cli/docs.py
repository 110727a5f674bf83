"""`segue docs`: reference pages written from the code, and the check that they are in step."""

from __future__ import annotations

from pathlib import Path

import click

from segue.errors import SegueError

__all__ = ["docs", "pages"]

_ROOT = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current folder",
    help="The repository's root; paths below it are fixed.",
)


@click.group()
def docs() -> None:
    """Reference pages of settings, metrics and commands."""


@docs.command()
@_ROOT
def write(root: Path) -> None:
    """Write docs/reference/settings.md, metrics.md and cli.md."""
    for name, text in pages().items():
        if _holds(root / name, text):
            continue
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {name}")


@docs.command()
@_ROOT
def check(root: Path) -> None:
    """Compare the pages with the code; exit 1 and name those that differ."""
    texts = pages()
    stale = [name for name, text in texts.items() if not _holds(root / name, text)]
    if stale:
        raise SegueError(
            f"not in step with the code: {', '.join(stale)}",
            remedy="run `segue docs write` and commit what it writes",
        )
    click.echo(f"{len(texts)} pages are in step with the code")


def pages() -> dict[str, str]:
    """Return path, relative to the repository's root, to the text that belongs there."""
    from segue.cli.reference import cli_page
    from segue.config.reference import settings_page
    from segue.telemetry.reference import metrics_page

    return {
        "docs/reference/settings.md": settings_page(),
        "docs/reference/metrics.md": metrics_page(),
        "docs/reference/cli.md": cli_page(),
    }


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
