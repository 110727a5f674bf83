"""`segue feed`: publish a log of past plays to Kafka, at a pace, going on where it was left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from rich.console import Console

from segue.cli.producing import RATE, limit_of, producing
from segue.clock import SystemClock
from segue.config import Settings, load_settings
from segue.errors import SegueError
from segue.sim.feeder import LogFeeder
from segue.sim.logfile import BATCH_ROWS, PlayLog, open_log
from segue.sim.logrows import BadRows
from segue.sim.pacer import Pacer
from segue.sim.position import PositionFile
from segue.sim.progress import FeedProgress

_UNITS = {"s": "seconds", "ms": "milliseconds", "order": "an order, laid out from 2020-01-01"}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rate", type=RATE, default="max", show_default=True, help="Plays a second, or max.")
@click.option("--restart", is_flag=True, help="Feed from the first row, wherever it was left.")
def feed(file: Path, rate: float, *, restart: bool) -> None:
    """Publish the plays of FILE (Parquet or CSV with columns user, item, ts) to Kafka.

    Interrupted, it goes on from the last row that Kafka stored; rows sent twice keep their event
    ids and count once. Rows that cannot be plays are counted and shown; then the exit code is 1.
    """
    settings, console = load_settings(), Console(stderr=True)
    with console.status(f"looking through {file.name}"):
        log = open_log(file)
    text = f"{file.name}: {log.rows:,} rows, times are {_UNITS[log.unit]}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    target = f"{settings.kafka_bootstrap} {settings.topic_prefix}"
    position = PositionFile(settings.data_dir, log.digest, target)
    if restart:
        position.forget()
    bad = asyncio.run(_feed(log, position, settings, console, rate_per_s=limit_of(rate)))
    for line in bad.lines():
        console.print(f"  {line}", highlight=False, markup=False)
    if bad.count:
        raise SegueError(f"{bad.count:,} rows of {file.name} are no plays; the others were fed")


async def _feed(
    log: PlayLog,
    position: PositionFile,
    settings: Settings,
    console: Console,
    *,
    rate_per_s: float | None,
) -> BadRows:
    clock = SystemClock()
    async with producing(settings) as producer:
        pacer = Pacer(rate_per_s, clock)
        feeder = LogFeeder(log, producer, position=position, pacer=pacer, clock=clock)
        start = feeder.next_row
        if start >= log.rows > 0:
            click.echo(f"all rows were fed before; --restart feeds {log.path.name} again")
            return feeder.bad
        if start:
            console.print(f"going on from row {start + 1:,}", highlight=False)
        batch_rows = BATCH_ROWS if rate_per_s is None else max(1, min(BATCH_ROWS, int(rate_per_s)))
        with FeedProgress(console, clock, title="rows", total=log.rows, done=start) as progress:
            await feeder.feed(progress.update, batch_rows=batch_rows)
    click.echo(f"fed {feeder.plays:,} plays, {progress.rate_per_s:,.0f} a second")
    return feeder.bad
