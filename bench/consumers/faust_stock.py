"""Faust as it ships: BOOTSTRAP TOPIC COUNT. Raw bytes, decoded to structs in the agent."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import faust
import msgspec

from bench.consumers.meter import Meter
from schemas.events import PlayEvent

__all__ = ["run_until", "stock_app"]


def stock_app(bootstrap: str, name: str, partitions: int) -> faust.App:
    """Return an app with Faust's own transport. Topics exist already."""
    return faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        autodiscover=False,
        topic_partitions=partitions,
        topic_replication_factor=1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )


async def run_until(app: faust.App, done: asyncio.Event) -> None:
    """Run an app until `done`, then end the process: Faust's shutdown is not measured."""
    app.finalize()
    await app.start()
    await done.wait()
    os._exit(0)


async def _main(bootstrap: str, topic: str, count: int) -> None:
    app = stock_app(bootstrap, f"bench-{os.getpid()}", 4)
    source = app.topic(topic, value_type=bytes, value_serializer="raw", key_serializer="raw")
    decode = msgspec.json.Decoder(PlayEvent).decode
    meter, done = Meter(count), asyncio.Event()

    @app.agent(source, name="consume")
    async def consume(values: Any) -> AsyncIterator[None]:  # a stream of bytes
        async for raw in values:
            decode(raw)
            meter.add()
            if meter.done:
                done.set()
            yield

    await run_until(app, done)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
