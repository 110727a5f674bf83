"""`segue tracks`: put entries of the catalogue into Kafka, or delete them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from rich.console import Console

from segue.cli.producing import producing
from segue.clock import SystemClock
from segue.config import Settings, load_settings
from segue.errors import SegueError
from segue.sim.logrows import BadRows
from segue.sim.progress import FeedProgress
from segue.sim.trackfile import count_lines, read_tracks

FLUSH_ENTRIES = 1_000


@click.group()
def tracks() -> None:
    """The catalogue: what is known of tracks besides plays."""


@tracks.command()
@click.argument("file", type=click.Path(path_type=Path))
def put(file: Path) -> None:
    """Publish the entries of FILE (JSON lines or CSV) to Kafka.

    An entry replaces what was said of its track before; putting a file twice changes nothing. Lines
    that cannot be entries are counted and shown; then the exit code is 1.
    """
    settings, console, bad = load_settings(), Console(stderr=True), BadRows()
    asyncio.run(_put(file, settings, console, bad))
    for line in bad.lines():
        console.print(f"  {line}", highlight=False, markup=False)
    if bad.count:
        raise SegueError(f"{bad.count:,} lines of {file.name} are no tracks; the others were put")


@tracks.command()
@click.argument("track_ids", metavar="TRACK...", nargs=-1, required=True)
def delete(track_ids: tuple[str, ...]) -> None:
    """Delete what the catalogue says of each TRACK."""
    asyncio.run(_delete(track_ids, load_settings()))
    click.echo(f"deleted {len(track_ids):,} tracks")


async def _put(file: Path, settings: Settings, console: Console, bad: BadRows) -> None:
    entries, done = read_tracks(file, bad), 0
    progress = FeedProgress(console, SystemClock(), title="lines", total=count_lines(file))
    async with producing(settings) as producer:
        with progress:
            for line, entry in entries:
                await producer.send_track(entry)
                done += 1
                if done % FLUSH_ENTRIES == 0:
                    await producer.flush()
                    progress.update(line)
            await producer.flush()
    click.echo(f"put {done:,} tracks")


async def _delete(track_ids: tuple[str, ...], settings: Settings) -> None:
    async with producing(settings) as producer:
        for track_id in track_ids:
            await producer.delete_track(track_id)
        await producer.flush()
