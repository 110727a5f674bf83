"""Plain aiokafka, no framework: BOOTSTRAP TOPIC COUNT msgspec|orjson. The limit of this client."""

import asyncio
import os
import sys
from collections.abc import Callable

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer

from bench.consumers.meter import Meter
from schemas.events import PlayEvent

DECODERS: dict[str, Callable[[bytes], object]] = {
    "msgspec": msgspec.json.Decoder(PlayEvent).decode,
    "orjson": orjson.loads,
}


async def consume(
    bootstrap: str, topic: str, meter: Meter, decode: Callable[[bytes], object]
) -> None:
    """Read in a group, as everybody does, until the meter is done."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"bench-{os.getpid()}",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        while not meter.done:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    decode(record.value)
                meter.add(len(records))
    finally:
        await consumer.stop()


if __name__ == "__main__":
    address, name, count, how = sys.argv[1:]
    asyncio.run(consume(address, name, Meter(int(count)), DECODERS[how]))
