"""`segue simulate`: made-up listeners play made-up tracks into any cluster."""

from __future__ import annotations

import asyncio
import math

import click
from rich.console import Console

from segue.cli.producing import RATE, limit_of, producing
from segue.clock import SystemClock
from segue.config import load_settings
from segue.sim.feeder import Limit, feed_simulated, feed_tracks
from segue.sim.pacer import Pacer
from segue.sim.progress import FeedProgress
from segue.sim.simulator import LISTENERS, TRACKS, Simulator

SECONDS: float = 60.0


@click.command()
@click.option("--rate", type=RATE, default="500", show_default=True, help="Plays a second, or max.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.")
@click.option("--plays", type=click.IntRange(min=1), help="Stop after so many plays.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="The same seed gives the same people and tracks.",
)
@click.option(
    "--listeners",
    type=click.IntRange(min=1),
    default=LISTENERS,
    show_default=True,
    help="How many people listen.",
)
@click.option(
    "--tracks",
    type=click.IntRange(min=20),
    default=TRACKS,
    show_default=True,
    help="How many tracks there are.",
)
def simulate(  # one argument per option
    rate: float, seconds: float | None, plays: int | None, seed: int, listeners: int, tracks: int
) -> None:
    """Feed simulated plays until --seconds or --plays are over (60 s if neither is given).

    The catalogue of the tracks is put first.

    A play ends when it is sent: trends and latencies are those of now. Each run makes new plays;
    --seed decides who listens to what.
    """
    if seconds is None and plays is None:
        seconds = SECONDS
    run = f"{SystemClock().now_ms():x}"  # ids of their own, or these plays would be duplicates
    simulator = Simulator(seed, listeners=listeners, tracks=tracks, run=run)
    asyncio.run(_simulate(simulator, rate, seconds=seconds, plays=plays))


async def _simulate(
    simulator: Simulator, rate: float, *, seconds: float | None, plays: int | None
) -> None:
    clock, console = SystemClock(), Console(stderr=True)
    total = plays
    if total is None and seconds is not None and not math.isinf(rate):
        total = int(rate * seconds)
    async with producing(load_settings()) as producer:
        await feed_tracks(simulator.catalogue.entries(), producer)
        end_s = None if seconds is None else clock.monotonic_s() + seconds
        with FeedProgress(console, clock, title="plays", total=total) as progress:
            fed = await feed_simulated(
                simulator,
                producer,
                pacer=Pacer(limit_of(rate), clock),
                clock=clock,
                limit=Limit(plays, end_s),
                report=progress.update,
            )
    click.echo(f"fed {fed:,} plays, {progress.rate_per_s:,.0f} a second")
