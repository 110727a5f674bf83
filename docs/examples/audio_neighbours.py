"""Say what tracks sound like, from vectors of their sound, and see one that nobody played."""

import asyncio
import os
import time
import uuid

import numpy as np

from schemas.events import PlayEvent
from segue.client import AudioNeighbour, AudioNeighbours, ListReader, PlayProducer, reason

KAFKA = os.environ.get("SEGUE_KAFKA_BOOTSTRAP", "127.0.0.1:19092")
PREFIX = os.environ.get("SEGUE_TOPIC_PREFIX", "segue.")
REDIS = os.environ.get("SEGUE_REDIS_URL", "redis://127.0.0.1:16379/0")

# Yours come from whatever hears your recordings: one vector each, of any length.
VECTORS = {"piano-1": [0.9, 0.1], "piano-2": [0.8, 0.2], "drums-1": [0.1, 0.9]}


def nearest(track: str, most: int = 20) -> AudioNeighbours:
    """Cosine similarity; what is not alike at all is no neighbour."""
    names = [name for name in VECTORS if name != track]
    rows = np.array([VECTORS[track], *(VECTORS[name] for name in names)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = np.minimum(rows[1:] @ rows[0], 1.0)
    order = [i for i in np.argsort(-alike)[:most] if alike[i] > 0]
    return AudioNeighbours(track, tuple(AudioNeighbour(names[i], float(alike[i])) for i in order))


async def main() -> None:
    at_ms = time.time_ns() // 1_000_000
    played = PlayEvent(str(uuid.uuid4()), "alan", "piano-1", at_ms, 180_000, 200_000, "finished")
    async with PlayProducer(KAFKA, topic_prefix=PREFIX) as producer, ListReader(REDIS) as lists:
        for track in VECTORS:
            await producer.send_audio_neighbours(nearest(track))
        await producer.flush()
        await asyncio.sleep(1)  # workers follow the topic
        await producer.send(played)
        await producer.flush()
        while (found := await lists.discover("alan")) is None:
            await asyncio.sleep(0.01)
        for i, track in enumerate(found.track_ids):
            print(f"{track}: {reason(found, i)}")


asyncio.run(main())
