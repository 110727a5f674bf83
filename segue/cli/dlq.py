"""`segue dlq`: look at dead letters, send them back, let a paused partition go on."""

import asyncio
import sys

import click
from rich.console import Console
from rich.table import Table

from segue.config import Settings, load_settings

PREVIEW_BYTES = 60


@click.group()
def dlq() -> None:
    """Dead letters: messages that were not accepted, as they came."""


@dlq.command("ls")
@click.option("--topic", help="Only from this input topic.")
@click.option("--reason", help="Only with this reason, for example missing_field.")
@click.option("--limit", type=int, default=50, show_default=True, help="The newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(topic: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, newest last, and the partitions that are paused."""
    from streams.deadletters import read_dead_letters

    settings = load_settings()
    letters = asyncio.run(read_dead_letters(settings))
    chosen = [
        letter
        for letter in letters
        if (not topic or letter.topic == topic) and (not reason or letter.reason == reason)
    ]
    if as_json:
        for letter in chosen[-limit:]:
            click.echo(letter.to_json())
        return
    table = Table("id", "from", "offset", "reason", "detail", "value")
    for letter in chosen[-limit:]:
        preview = letter.value[:PREVIEW_BYTES].decode("utf-8", "backslashreplace")
        source = f"{letter.topic}/{letter.partition}"
        table.add_row(letter.id, source, str(letter.offset), letter.reason, letter.detail, preview)
    console = Console()
    console.print(table)
    console.print(f"{len(chosen)} dead letters" + (", all shown" if len(chosen) <= limit else ""))
    for line in asyncio.run(_paused(settings)):
        console.print(f"[bold red]{line}")


@dlq.command()
@click.argument("letter_id")
def show(letter_id: str) -> None:
    """Show one dead letter, LETTER_ID as `segue dlq ls` prints it; the raw bytes go to stdout."""
    from streams.deadletters import read_dead_letter

    letter = asyncio.run(read_dead_letter(load_settings(), letter_id))
    click.echo(letter.describe(), err=True)
    sys.stdout.buffer.write(letter.value + b"\n")


@dlq.command()
@click.argument("letter_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that were not requeued yet.")
@click.option("--reason", help="With --all: only with this reason.")
def requeue(letter_ids: tuple[str, ...], everything: bool, reason: str | None) -> None:
    """Send dead letters back to their topic, byte for byte. A requeued play is not late."""
    from streams.deadletters import requeue_dead_letters

    if bool(letter_ids) == everything:
        raise click.UsageError("name dead letters, or say --all")
    sent = asyncio.run(requeue_dead_letters(load_settings(), letter_ids or None, reason))
    click.echo(f"{sent} requeued")


@dlq.command()
@click.argument("topic")
@click.argument("partition", type=int)
def accept(topic: str, partition: int) -> None:
    """Let a paused PARTITION of TOPIC go on; what is bad there becomes dead letters."""
    asyncio.run(_accept(load_settings(), topic, partition))
    click.echo(f"{topic} partition {partition} goes on within a second")


@dlq.command()
@click.confirmation_option(prompt="Delete all dead letters for ever?")
def purge() -> None:
    """Delete all dead letters for ever."""
    from streams.deadletters import purge_dead_letters

    click.echo(f"{asyncio.run(purge_dead_letters(load_settings()))} deleted")


async def _accept(settings: Settings, topic: str, partition: int) -> None:
    from redis.asyncio import Redis

    from schemas.rediskeys import accept_key, paused_key
    from segue.errors import Misconfigured

    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        if not await redis.exists(paused_key(topic, partition)):
            raise Misconfigured(
                f"{topic} partition {partition} is not paused",
                remedy="`segue dlq ls` names the partitions that are",
            )
        await redis.set(accept_key(topic, partition), "1", ex=60)


async def _paused(settings: Settings) -> list[str]:
    from redis.asyncio import Redis

    from schemas.rediskeys import PREFIX

    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        keys = [key async for key in redis.scan_iter(match=f"{PREFIX}paused:*", count=1000)]
        values = await redis.mget(sorted(keys)) if keys else []
        return [value.decode() for value in values if isinstance(value, bytes)]
