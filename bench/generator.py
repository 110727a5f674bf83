"""Sends simulated plays at a stated rate whatever the system does: an open loop.

    python -m bench.generator BOOTSTRAP PREFIX RATE SECONDS

RATE `max` sends SECONDS times RATE_MAX_PLAYS as fast as it can instead. Each play ends when it is
sent, by the wall clock. It prints how many it sent and how long that took as one line of JSON. A
tick of 5 ms sends what is due by then; that it could not keep up shows in the seconds it took.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson

from schemas.events import PlayEvent
from segue.client import PlayProducer
from segue.sim.simulator import Simulator

__all__ = ["RATE_MAX_PLAYS"]

TICK_S = 0.005
CHUNK_PLAYS = 500
RATE_MAX_PLAYS = 100_000
LISTENERS, TRACKS = 10_000, 20_000


async def main(bootstrap: str, prefix: str, rate: str, seconds: float) -> None:
    """Send, flush, print."""
    simulator = Simulator(1, listeners=LISTENERS, tracks=TRACKS, run=f"{time.time_ns()}")
    async with PlayProducer(bootstrap, topic_prefix=prefix) as producer:
        begin_s, cpu_s = time.monotonic(), time.process_time()
        if rate == "max":
            sent = await _send_all(producer, simulator, int(RATE_MAX_PLAYS * seconds))
        else:
            sent = await _send_paced(producer, simulator, float(rate), seconds)
        await producer.flush()
        result = {
            "events": sent,
            "cpu_s": time.process_time() - cpu_s,
            "wall_s": time.monotonic() - begin_s,
        }
    sys.stdout.write(orjson.dumps(result).decode() + "\n")


async def _send_all(producer: PlayProducer, simulator: Simulator, count: int) -> int:
    for _ in range(0, count, CHUNK_PLAYS):
        await producer.send_many(_batch(simulator, CHUNK_PLAYS))
        await asyncio.sleep(0)
    return count


async def _send_paced(
    producer: PlayProducer, simulator: Simulator, rate: float, seconds: float
) -> int:
    begin_s, sent = time.monotonic(), 0
    while (passed_s := time.monotonic() - begin_s) < seconds:
        due = int(rate * passed_s) - sent
        if due > 0:
            await producer.send_many(_batch(simulator, due))
            sent += due
        await asyncio.sleep(max(0.0, begin_s + passed_s + TICK_S - time.monotonic()))
    return sent


def _batch(simulator: Simulator, count: int) -> list[PlayEvent]:
    return simulator.batch(count, at_ms=time.time_ns() // 1_000_000)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
