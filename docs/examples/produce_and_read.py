"""Send a play and read the lists that follow from it."""

import asyncio
import os
import time
import uuid

from schemas.events import PlayEvent
from segue.client import ListReader, PlayProducer

KAFKA = os.environ.get("SEGUE_KAFKA_BOOTSTRAP", "127.0.0.1:19092")
PREFIX = os.environ.get("SEGUE_TOPIC_PREFIX", "segue.")
REDIS = os.environ.get("SEGUE_REDIS_URL", "redis://127.0.0.1:16379/0")


async def main() -> None:
    play = PlayEvent(
        event_id=str(uuid.uuid4()),  # sent twice, it counts once
        user_id="ada",
        track_id="track:first",
        started_at_ms=time.time_ns() // 1_000_000,
        played_ms=180_000,
        duration_ms=200_000,
        end_reason="finished",
        market="SE",
    )
    async with PlayProducer(KAFKA, topic_prefix=PREFIX) as producer, ListReader(REDIS) as lists:
        await producer.send(play)
        await producer.flush()
        while (found := await lists.next("ada")) is None:
            await asyncio.sleep(0.01)  # milliseconds, once a worker runs
        print("next for ada:", found.track_ids)


asyncio.run(main())
