"""`segue down`: stop what `segue up` started."""

from __future__ import annotations

import click

from segue.config import load_settings
from segue.local.rundir import RunDirectory

# What the supervisor itself may need beyond the workers' drain: Kafka 20 s, Redis 10 s, margins.
MARGIN_S = 45.0


@click.command()
def down() -> None:
    """Drain the workers, then stop Kafka and Redis. Does nothing if nothing runs."""
    settings = load_settings()
    run_dir = RunDirectory(settings.data_dir)
    pid = run_dir.stop_supervisor(settings.drain_timeout_s + MARGIN_S)
    orphans = run_dir.clear_orphans()
    if pid is None and not orphans:
        click.echo("nothing runs")
        return
    click.echo("stopped" + (f"; also killed: {', '.join(orphans)}" if orphans else ""))
