"""`segue topics plan|apply`: see and create the topics in Kafka."""

import asyncio

import click

from segue.clock import SystemClock
from segue.config import load_settings


@click.group()
def topics() -> None:
    """See and create the topics that Segue needs."""


@topics.command()
def plan() -> None:
    """Show what differs between the cluster and the registry. Exit code 1 if anything does."""
    from streams.admin import plan_changes

    changes = asyncio.run(plan_changes(load_settings()))
    for change in changes:
        click.echo(f"{change.action:<10} {change.topic}  {change.detail}")
    if changes:
        raise SystemExit(1)
    click.echo("all topics are as the registry says")


@topics.command()
def apply() -> None:
    """Create and record what is missing. May be run any number of times."""
    from streams.admin import apply_changes

    changes = asyncio.run(apply_changes(load_settings(), SystemClock()))
    for change in changes:
        click.echo(f"{change.action:<10} {change.topic}  {change.detail}")
    click.echo(f"{len(changes)} changes" if changes else "all topics are as the registry says")
