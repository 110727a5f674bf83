"""`segue demo`: everything on this machine for a minute, with a live view of what happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from rich.console import Console

from segue.cli.producing import RATE, limit_of, producing
from segue.clock import SystemClock
from segue.config import Settings, load_settings
from segue.demo.scene import Scene
from segue.demo.setup import running_stack
from segue.demo.source import Source, file_source, simulated_source
from segue.demo.summary import look_further, summary_table
from segue.sim.simulator import LISTENERS, TRACKS


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="How long plays are fed.",
)
@click.option("--rate", type=RATE, default="500", show_default=True, help="Plays a second, or max.")
@click.option(
    "--listeners",
    type=click.IntRange(min=1),
    default=LISTENERS,
    show_default=True,
    help="How many simulated people listen.",
)
@click.option(
    "--tracks",
    type=click.IntRange(min=20),
    default=TRACKS,
    show_default=True,
    help="How many made-up tracks there are.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="The same seed gives the same people and tracks.",
)
@click.option(
    "--plays-file",
    type=click.Path(path_type=Path),
    help="Feed this log (Parquet or CSV) instead of simulated plays.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many workers share the plays.",
)
@click.option("--keep", is_flag=True, help="Leave it running after the demo, until Ctrl-C.")
def demo(  # noqa: PLR0913  # one argument per option
    seconds: float,
    rate: float,
    listeners: int,
    tracks: int,
    seed: int,
    plays_file: Path | None,
    workers: int,
    *,
    keep: bool,
) -> None:
    """Start Kafka, Redis and a worker, feed plays, and watch listeners' lists change.

    Everything runs on this machine and stops with the demo. A stack started by `segue up` is used
    as it is and goes on running.
    """
    clock, console, settings = SystemClock(), Console(), load_settings()
    if plays_file is not None:
        with console.status(f"looking through {plays_file.name}"):
            source: Source = file_source(plays_file, settings)
    else:
        people = (seed, listeners, tracks)
        source = simulated_source(people, rate=rate, seconds=seconds, clock=clock)
    scene = Scene(source, rate_per_s=limit_of(rate), seconds=seconds, console=console, clock=clock)
    asyncio.run(_demo(scene, settings, workers=workers, keep=keep))


async def _demo(scene: Scene, settings: Settings, *, workers: int, keep: bool) -> None:
    console, clock = scene.console, scene.clock
    async with running_stack(settings, workers=workers, console=console, clock=clock) as stack:
        kafka = {"kafka_bootstrap": stack.endpoints.kafka_bootstrap}
        producer = producing(settings.model_copy(update=kafka))
        outcome = await scene.play(stack.endpoints, producer)
        console.print()
        console.print(summary_table(outcome))
        _say(console, scene.complaints())
        lines = look_further(outcome, stack.endpoints, running=keep or not stack.ours)
        if keep and stack.ours:
            _say(console, [*lines, "", "It goes on running; Ctrl-C stops it."])
            await asyncio.Event().wait()
    _say(console, lines)


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
