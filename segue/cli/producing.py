"""What `simulate`, `feed` and `demo` share: a rate as people write it, and the producer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import click

from segue.client import PlayProducer
from segue.config import Settings

__all__ = ["RATE", "RateType", "limit_of", "producing"]

CLOSE_TIMEOUT_S: Final = 5.0


class RateType(click.ParamType):
    """Plays a second: a number above 0, or `max` for as fast as Kafka takes them (infinity)."""

    name = "rate"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How the help names the value."""
        return "N|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The rate as a number; click reports anything else to the person."""
        if value == "max":
            return math.inf
        try:
            rate = float(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'max'", param, ctx)
        if not rate > 0:
            self.fail(f"{value!r} is not above 0", param, ctx)
        return rate


RATE: Final = RateType()


def limit_of(rate_per_s: float) -> float | None:
    """The rate for a Pacer: None where there is no limit."""
    return None if math.isinf(rate_per_s) else rate_per_s


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[PlayProducer]:
    """A started producer for the cluster that the settings name. Raises Unavailable without it.

    Closing takes 5 s at most: after a failure there may be plays left that nobody takes.
    """
    # What goes wrong is raised; aiokafka would also write it over the progress, 50 times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options = settings.kafka_client_options()
    bootstrap = options.pop("bootstrap_servers")
    closing = AsyncExitStack()
    producer = await closing.enter_async_context(
        PlayProducer(bootstrap, topic_prefix=settings.topic_prefix, **options)
    )
    try:
        yield producer
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await closing.aclose()
