"""`segue privacy`: forget a listener, or say what is kept of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import click
import msgspec
from rich.console import Console

from schemas.events import PrivacyKind, PrivacyRequest
from schemas.privacy import ListenerExport
from segue.cli.producing import producing
from segue.client import fetch_export
from segue.clock import SystemClock
from segue.config import Settings, load_settings

__all__ = ["privacy"]


@click.group()
def privacy() -> None:
    """Forget a listener, or say what is kept of them."""


@privacy.command()
@click.argument("user")
@click.confirmation_option(prompt="Forget everything of this listener for ever?")
def erase(user: str) -> None:
    """Forget USER: state, lists and what their last plays gave; what is older is refused."""
    request = _request(user, "erase")
    asyncio.run(_send(load_settings(), request))
    click.echo(f"asked to erase {user}, as of {request.at_ms} ms (request {request.event_id})")


@privacy.command()
@click.argument("user")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the answer.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
def export(user: str, timeout_s: float, out: Path | None) -> None:
    """Say what is kept of USER, as JSON."""
    with Console(stderr=True).status(f"asking the workers for what they keep of {user}"):
        found = asyncio.run(_export(load_settings(), _request(user, "export"), timeout_s))
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if not found.known:
        click.echo(f"segue: nothing is kept of {user}", err=True)
    if out is None:
        click.echo(text)
    else:
        out.write_bytes(text + b"\n")
        click.echo(f"segue: written to {out}", err=True)


def _request(user: str, kind: PrivacyKind) -> PrivacyRequest:
    return PrivacyRequest(uuid4().hex, user, kind, SystemClock().now_ms())


async def _send(settings: Settings, request: PrivacyRequest) -> None:
    async with producing(settings) as producer:
        await producer.send_privacy(request)
        await producer.flush()


async def _export(settings: Settings, request: PrivacyRequest, timeout_s: float) -> ListenerExport:
    options = settings.kafka_client_options()
    async with producing(settings) as producer:
        return await fetch_export(
            producer, request, timeout_s=timeout_s, topic_prefix=settings.topic_prefix, **options
        )
