"""What goes wrong in a simulation, one bad thing after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from segue.testing.simulated_world import Weather, World

__all__ = ["POINTS", "make_trouble"]

POINTS = (
    "fence", "restore", "committed_offsets", "seek", "fetched", "redis-get", "redis-write",
    "redis-written", "send", "offsets", "commit", "committed",
)  # fmt: skip
"""Where a worker may be killed: before each, except `redis-written` and `committed`: after."""


async def make_trouble(world: World, producing: asyncio.Task[None]) -> None:
    """Do one bad thing after another until all is sent, then two more."""
    random = Random(f"trouble {world.seed}")
    await _kill_at(world, random, POINTS[world.seed % len(POINTS)])  # a dozen seeds see them all
    more = 2
    while more:
        more -= producing.done()
        await asyncio.sleep(random.choice([0.05, 0.3, 1.0, 2.0]))
        await random.choice(_TROUBLE)(world, random)


async def _kill_at_a_point(world: World, random: Random) -> None:
    """Kill whoever comes next to a certain point; the group notices later."""
    await _kill_at(world, random, random.choice(POINTS))


async def _kill_at(world: World, random: Random, point: str) -> None:
    world.weather.kill_at = point
    if point in ("fence", "restore", "committed_offsets", "seek"):
        await world.rebalance()
    for _ in range(40):
        if not world.weather.kill_at:
            break
        await asyncio.sleep(0.05)
    world.weather.kill_at = None
    await _replace_the_dead(world, random)


async def _kill_now(world: World, random: Random) -> None:
    random.choice(world.alive).kill()
    await _replace_the_dead(world, random)


async def _replace_the_dead(world: World, random: Random) -> None:
    await asyncio.sleep(random.choice([0.0, 0.5, 6.0]))
    while len(world.alive) < 2:
        world.add_worker()
    await world.rebalance()


async def _scale(world: World, random: Random) -> None:
    """A worker more, or one less in order."""
    if len(world.alive) < 3:
        world.add_worker()
    else:
        leaving = random.choice(world.alive)
        world.note("leaves", leaving.name)
        leaving.joined = False
        await leaving.call(leaving.drained())
        leaving.kill()
    await world.rebalance()


async def _zombie(world: World, random: Random) -> None:
    """The group gives up a worker that goes on; later it comes back, or dies."""
    if len(world.alive) < 2:
        return
    zombie = random.choice(world.alive)
    zombie.joined = False
    world.note("expelled", zombie.name)
    await world.rebalance()
    await asyncio.sleep(random.choice([0.1, 1.0, 3.0]))
    if random.random() < 0.5:
        zombie.joined = True
        await world.rebalance()
    else:
        zombie.kill()
        await _replace_the_dead(world, random)


async def _redis_lost(world: World, random: Random) -> None:
    world.note("redis lost its data")
    world.redis.lose()
    if random.random() < 0.3:  # and once more, in the midst of writing it again
        await asyncio.sleep(random.random())
        world.redis.lose()


async def _redis_away(world: World, random: Random) -> None:
    world.note("redis away")
    world.redis.away = True
    await asyncio.sleep(random.choice([0.2, 3.0]))
    if random.random() < 0.5:
        await world.rebalance()
    world.redis.away = False


async def _slow(world: World, random: Random) -> None:
    """Everything outside takes long; a restore may outlast a session."""
    world.note("slow")
    world.weather.delay_s = random.choice([0.5, 8.0])
    world.weather.redis_delay_s = random.choice([0.001, 0.3, 1.5])
    await world.rebalance()
    await asyncio.sleep(random.choice([1.0, 5.0]))
    world.weather = Weather()


async def _clock_jumps(world: World, random: Random) -> None:
    world.note("clock jumps")
    world.clock.offset_ms += random.choice([-3_600_000, 3_600_000, -5, 86_400_000])


_TROUBLE: tuple[Callable[[World, Random], Awaitable[None]], ...] = (
    _kill_at_a_point, _kill_at_a_point, _kill_at_a_point, _kill_now, _scale, _zombie, _redis_lost,
    _redis_away, _slow, _clock_jumps,
)  # fmt: skip
