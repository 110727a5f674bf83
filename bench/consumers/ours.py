"""A Faust agent on the batching transport: BOOTSTRAP TOPIC COUNT decode|intake.

`decode`: bytes to checked structs. `intake`: all that the product does with an event before its
model sees it: decoded, watched for bad shares, its time and partition checked, put in order.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

from bench.consumers.meter import Meter
from schemas.codec import EventDecoder, Rejected
from schemas.events import PlayEvent
from segue.config import load_settings
from segue.telemetry.health import Health
from segue.telemetry.logs import configure_logging
from segue.worker import run_app
from streams.app import SegueApp
from streams.batches import Batch
from streams.intake import Intake, IntakeLimits
from streams.transport import Polls
from streams.unit import Unit


def main() -> None:
    """Run the app of a worker with this one agent until COUNT events were read."""
    bootstrap, topic, count, mode = sys.argv[1:]
    settings = load_settings(
        env_file=Path("/nonexistent"),
        kafka_bootstrap=bootstrap,
        group_prefix=f"bench-{os.getpid()}-",
        web_port=0,
        log_level="warning",
    )
    configure_logging(settings)
    meter = Meter(int(count))
    take = {"decode": _decoding, "intake": _intake}[mode](settings.partitions)

    def register(app: SegueApp) -> None:
        @app.agent(app.polls(topic), name="consume", concurrency=1)
        async def consume(polls: Polls) -> AsyncIterator[int]:
            async for poll in polls:
                count = sum(map(take, poll.take()))
                meter.add(count)
                if meter.done:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield count

    asyncio.run(run_app(settings, Health(), register))


def _decoding(_: int) -> Callable[[Batch], int]:
    decode = EventDecoder(PlayEvent).decode

    def take(batch: Batch) -> int:
        for record in batch.records:
            assert not isinstance(decode(record.value), Rejected)
        return len(batch.records)

    return take


def _intake(partitions: int) -> Callable[[Batch], int]:
    intake: Intake[PlayEvent] = Intake(
        EventDecoder(PlayEvent),
        time_ms="started_at_ms",
        dead_letters="none",
        limits=IntakeLimits(partitions, bad_window=200, bad_share_max=0.5),
    )

    def take(batch: Batch) -> int:
        unit: Unit[Any] = Unit(cast(Any, None), batch, batch.records)  # there is no state here
        return len(intake.read(unit).events)

    return take


if __name__ == "__main__":
    main()
