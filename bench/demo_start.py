"""The second `segue demo`: seconds from its start until the first new list is in Redis.

    python -m bench.demo_start [--json FILE] [--quick]

`make demo` is this command after a check of the set-up that takes under a second. The first one
formats Kafka's folder and compiles what is compiled; it is not counted. Kafka and Redis keep their
data between demos, so a list counts as new if it was made after the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bench.bed import Bed, Say
from bench.command import run_benchmarks
from bench.measure import Figure, Plan
from schemas.outputs import decode_list
from schemas.rediskeys import next_key
from segue.local import free_port
from segue.local.process import ManagedProcess
from segue.local.worker_process import SEGUE_COMMAND

__all__ = ["measure"]

FIRST_LIST_MAX_S = 25.0
TIMEOUT_S = 180.0
STOP_S = 40.0
POLL_S = 0.1
KEYS = next_key("*")


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Run one demo, then `plan.runs` more in the same folder."""
    redis_port = free_port()
    env = {
        "SEGUE_DATA_DIR": str(bed.directory / "demo"),
        "SEGUE_LOCAL_KAFKA_PORT": str(free_port()),
        "SEGUE_LOCAL_REDIS_PORT": str(redis_port),
        "SEGUE_WEB_PORT": str(free_port()),
    }
    waits = []
    for run in range(plan.runs + 1):
        wait_s = await _demo(bed.directory, env, redis_port)
        say(f"{f'run {run}' if run else 'not counted'}: first list after {wait_s:.1f} s")
        if run:
            waits.append(wait_s)
    return [
        Figure(
            "second demo until the first list is in Redis",
            "s",
            tuple(waits),
            target_max=FIRST_LIST_MAX_S,
        )
    ]


async def _demo(directory: Path, env: Mapping[str, str], redis_port: int) -> float:
    """Run a demo of 5 s to its end; return when the first list of its plays was seen."""
    argv = [*SEGUE_COMMAND, "demo", "--seconds", "5"]
    demo = ManagedProcess("demo", argv, log_path=directory / "demo.log")
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    demo.start(env)
    try:
        async with Redis(port=redis_port, socket_timeout=1.0) as redis:
            while not await _has_list_since(redis, began_ms):
                if not demo.running or time.monotonic() - began_s > TIMEOUT_S:
                    raise RuntimeError(f"demo: {demo.log_tail(5)}")
                await asyncio.sleep(POLL_S)
        wait_s = time.monotonic() - began_s
        await demo.wait(STOP_S)
    finally:
        await demo.stop(STOP_S)
    return wait_s


async def _has_list_since(redis: Redis, at_ms: int) -> bool:
    """Whether a list made after `at_ms` is there. False while Redis is not up."""
    try:
        keys = [key async for key in redis.scan_iter(match=KEYS, count=10_000)]
        found = await redis.mget(keys) if keys else []
    except (RedisError, OSError):
        return False
    return any(decode_list(raw).at_ms >= at_ms for raw in found if isinstance(raw, bytes))


if __name__ == "__main__":
    run_benchmarks(__doc__, [("demo_start", measure)])
