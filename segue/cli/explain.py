"""`segue explain USER`: what is known of a listener, and why their lists are what they are.

Lists are read from Redis. All else is read from the changelog of listeners, as a restart would read
it: it costs the workers nothing, and it is what was committed, half a second old at most.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import click
import msgspec
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import Progress

from models.recommend import ListenerLimits, ListenerState, Vocabulary
from models.recommend.conduct import signs
from models.recommend.kernels.listener import (
    BLOCKED,
    BLOCKED_ARTIST,
    HIDDEN,
    LIKED,
    TASTE_ARTIST,
    TASTE_GENRE,
    TASTE_LANGUAGE,
)
from models.recommend.listeners import ListenerSnapshot
from schemas.frames import MARKS
from schemas.murmur2 import partition_of_name
from schemas.registry import LISTENERS_CHANGELOG
from segue.cli.explained import Explanation, Known, SaidView, SignView, draw
from segue.client import ListReader
from segue.config import Settings, load_settings
from segue.errors import Unavailable

__all__ = ["explain"]

SAID_KINDS = {
    LIKED: "likes",
    BLOCKED: "blocks",
    HIDDEN: "hides",
    BLOCKED_ARTIST: "blocks artist",
    TASTE_ARTIST: "taste, artist",
    TASTE_GENRE: "taste, genre",
    TASTE_LANGUAGE: "taste, language",
}


@click.command()
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON value.")
def explain(user: str, *, as_json: bool) -> None:
    """Show what is known of USER, whether their plays count for others, and why their lists hold
    what they hold.

    Reads one partition of the listeners' changelog to its end, which takes seconds where millions
    of plays are kept.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the changelog", total=None)
        found = asyncio.run(
            _gather(
                load_settings(),
                user,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        )
    if found.known is None and found.next is None and found.discover is None:
        click.echo(f"segue: nothing is known of {user}: no play of theirs arrived", err=True)
        sys.exit(1)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        Console().print(draw(found, now_ms=time.time_ns() // 1_000_000))


async def _gather(settings: Settings, user: str, report: Callable[[int, int], None]) -> Explanation:
    """Ask Redis and Kafka. Raises Unavailable if one does not answer."""
    from streams.changelog import read_key

    partition = partition_of_name(user, settings.partitions)
    topic = LISTENERS_CHANGELOG.topic(settings.topic_prefix)
    async with ListReader(settings.redis_url.get_secret_value()) as lists:
        upcoming, fresh = await lists.next(user), await lists.discover(user)
    try:
        record = await read_key(settings, (topic, partition), user.encode(), report)
    except KafkaError as error:
        raise Unavailable(f"Kafka did not answer: {error!r}", what="kafka") from error
    known = None
    if record is not None:
        known = _known(_restored(user, record.value), settings, record.timestamp)
    return Explanation(user, partition, known, upcoming, fresh)


def _restored(user: str, value: bytes) -> ListenerSnapshot:
    """A record read by what restores it."""
    state = ListenerState(Vocabulary(), ListenerLimits(listeners_max=1))
    state.restore(user.encode(), value)
    found = state.snapshot(user)
    assert found is not None, "it was just restored"
    return found


def _known(found: ListenerSnapshot, settings: Settings, written_at_ms: int) -> Known:
    conduct = found.conduct
    return Known(
        written_at_ms=written_at_ms,
        plays=found.plays,
        newest_at_ms=found.newest_ms,
        market=found.market,
        session=found.context,
        recent=found.recent,
        heard=len(found.heard),
        said=[
            SaidView(SAID_KINDS[kind], subject.lstrip(MARKS), at_ms)
            for kind, subject, at_ms, _ in found.said
        ],
        suspected=[*conduct.reasons],
        counts=not (conduct.reasons and settings.hold_suspicious),
        signs=[SignView(*sign) for sign in signs(conduct)],
        anomaly=conduct.score / 1_000_000 if conduct.score else None,
    )
