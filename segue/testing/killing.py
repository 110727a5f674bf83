"""Workers killed at random, by seed, while others go on."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from segue.testing.crew import Crew, Worker

__all__ = ["kill_at_random"]

PAUSE_S = (2.0, 4.0)
STEPS = ("kill", "stop", "join")
WEIGHTS = (70, 15, 15)


async def kill_at_random(crew: Crew, *, kills: int, seed: int) -> Counter[str]:
    """Kill one of the first two workers (SIGKILL) `kills` times, every 2 to 4 s, and start it.

    In between, some are stopped in order (SIGTERM) and a third joins or leaves: a rebalance
    nobody died for. A worker that ended by itself is started again, as a supervisor would.
    Returns what was done. Prints it with the seed, so that a failure can be run again.
    """
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    print(f"seed {seed}:", end=" ")  # noqa: T201  # shown by pytest when the test fails
    while done["kill"] < kills:
        await asyncio.sleep(chance.uniform(*PAUSE_S))
        for worker in crew.workers[:2]:
            if not worker.running:
                done["restart"] += 1
                await worker.start()
        step = chance.choices(STEPS, WEIGHTS)[0]
        done[step] += 1
        print(step, end=" ")  # noqa: T201
        worker = crew.workers[chance.randrange(2)]
        if step == "join":
            await _join_or_leave(crew)
            continue
        if step == "kill":
            await worker.kill()
        else:
            await worker.stop()
        await worker.start()
    return done


async def _join_or_leave(crew: Crew) -> Worker:
    if len(crew.workers) < 3:
        return (await crew.hire())[0]
    third = crew.workers[2]
    if third.running:
        await third.stop()
    else:
        await third.start()
    return third
