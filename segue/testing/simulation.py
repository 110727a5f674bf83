"""The pipeline under a seeded schedule of everything that goes wrong, without Kafka and Redis.

The stages, states, tasks, intake, agents, list making and sink are the product's own; the log, the
server and the time are in memory. A seed decides all of it: messages, sizes of batches, delays,
where workers are killed, when partitions move. The same seed gives the same run.

    result = simulate(7)             # with faults
    clean = simulate(7, faults=False)
    assert result.state == clean.state
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from segue.testing.memory_log import memory_kafka
from segue.testing.memory_redis import MemoryRedis
from segue.testing.simulated_state import State, live_state, restored_state
from segue.testing.simulated_worker import task_of_worker
from segue.testing.simulated_world import PARTITIONS, Weather, World
from segue.testing.traffic import Traffic, make_traffic
from segue.testing.trouble import make_trouble
from segue.testing.virtual_time import run_virtual

__all__ = ["Result", "simulate"]

SETTLE_S = 600.0
QUIET_S = 5.0


@dataclass(slots=True)
class Result:
    """The end of a run: state as the workers hold it and as a new one would restore it."""

    seed: int
    state: State
    restored: State
    traffic: Traffic
    redis: MemoryRedis
    dead_letters: Counter[bytes]
    outcomes: Counter[str]
    failures: list[Exception]
    happened: Counter[str]
    story: list[str]


def simulate(seed: int, *, faults: bool = True, messages: int = 250) -> Result:
    """Run the pipeline over the traffic of `seed` until everything is committed.

    Raises AssertionError with the end of the story if that does not happen.
    """
    traffic = make_traffic(seed, partitions=PARTITIONS, messages=messages, listeners=10)
    return run_virtual(_run(seed, traffic, faults=faults))


async def _run(seed: int, traffic: Traffic, *, faults: bool) -> Result:
    asyncio.get_running_loop().set_task_factory(task_of_worker)
    world = World(seed)
    with memory_kafka(world.log):
        for _ in range(2 if faults else 1):
            world.add_worker()
        await world.rebalance()
        producing = asyncio.create_task(world.produce(traffic))
        if faults:
            await make_trouble(world, producing)
        await producing
        await _settle(world)
        state = live_state(worker.groups for worker in world.alive)
        for worker in world.alive:
            await worker.call(worker.drained())
        stages = [group.stage for group in world.alive[0].groups]
        result = Result(
            seed=seed,
            state=state,
            restored=restored_state(stages, world.log, PARTITIONS),
            traffic=traffic,
            redis=world.redis,
            dead_letters=world.dead_letters(),
            outcomes=world.outcomes,
            failures=world.failures,
            happened=world.happened,
            story=world.story,
        )
        for worker in world.alive:
            worker.kill()
        await asyncio.gather(
            *(task for worker in world.workers for task in worker.tasks), return_exceptions=True
        )
    return result


async def _settle(world: World) -> None:
    """Let the weather clear and wait until all is committed, then a little for Redis."""
    world.weather = Weather()
    world.redis.away = False
    for worker in world.alive:
        worker.joined = True
    if not world.alive:
        world.add_worker()
    await world.rebalance()
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + SETTLE_S
    while not world.settled():
        if loop.time() > deadline_s:
            raise AssertionError("\n".join(["never settled:", *world.story[-40:]]))
        await asyncio.sleep(0.5)
    await asyncio.sleep(QUIET_S)
