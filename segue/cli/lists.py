"""`segue next|discover|similar|trends`: see a list as it stands in Redis now."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar, get_args

import click
import msgspec
from rich.console import Console, RenderableType

from schemas.outputs import (
    WORLD,
    RecommendationList,
    SimilarTracks,
    TrendingTracks,
    TrendWindow,
)
from segue.client import ListReader
from segue.config import load_settings
from segue.demo.tables import recommendation_table, similar_table, trend_table

L = TypeVar("L", RecommendationList, SimilarTracks, TrendingTracks)

as_json = click.option("--json", "as_json", is_flag=True, help="Print the value as JSON.")


@click.command("next")
@click.argument("user")
@as_json
def next_(user: str, *, as_json: bool) -> None:
    """Show what USER should hear next; tracks they know may be in it."""
    found = _read(lambda lists: lists.next(user))
    _show(found, recommendation_table, as_json=as_json, missing=_no_listener(user))


@click.command()
@click.argument("user")
@as_json
def discover(user: str, *, as_json: bool) -> None:
    """Show what USER has not heard lately and may like."""
    found = _read(lambda lists: lists.discover(user))
    _show(found, recommendation_table, as_json=as_json, missing=_no_listener(user))


@click.command()
@click.argument("track")
@as_json
def similar(track: str, *, as_json: bool) -> None:
    """Show what is played together with TRACK."""
    found = _read(lambda lists: lists.similar(track))
    missing = f"nothing is similar to {track} yet: no session has it beside another track"
    _show(found, similar_table, as_json=as_json, missing=missing)


@click.command()
@click.option("--market", default=WORLD, show_default=True, help="A market, or all of them.")
@click.option(
    "--window",
    type=click.Choice(get_args(TrendWindow)),
    default="hour",
    show_default=True,
    help="How fast a play is forgotten.",
)
@as_json
def trends(market: str, window: TrendWindow, *, as_json: bool) -> None:
    """Show what is played most in a market now."""
    found = _read(lambda lists: lists.trends(market, window=window))
    missing = f"no track trends in {market}: no plays arrived from there"
    _show(found, trend_table, as_json=as_json, missing=missing)


def _no_listener(user: str) -> str:
    return f"there is no list for {user}: no play of theirs arrived within the lists' lifetime"


def _read(ask: Callable[[ListReader], Awaitable[L | None]]) -> L | None:
    """One question to Redis. Raises Unavailable if it does not answer."""

    async def answer() -> L | None:
        url = load_settings().redis_url.get_secret_value()
        async with ListReader(url) as lists:
            return await ask(lists)

    return asyncio.run(answer())


def _show(
    found: L | None, table: Callable[[L], RenderableType], *, as_json: bool, missing: str
) -> None:
    """Print the list, or say why there is none and exit with 1."""
    if found is None:
        click.echo(f"segue: {missing}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        Console().print(table(found))
