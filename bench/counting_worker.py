"""A worker with the two trivial stages of segue.testing.counting, that says when it is done.

    python -m bench.counting_worker COUNT

Settings come from the environment, as for `segue worker`. After COUNT plays went through both
stages and everything is committed it prints plays, CPU seconds and seconds since its first plays as
one line of JSON, and stops.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import orjson

from segue.config import load_settings
from segue.telemetry.health import Health
from segue.telemetry.logs import configure_logging
from segue.testing.counting import register_counting
from segue.worker import run_app
from streams.app import SegueApp

POLL_S = 0.02


async def main(count: int) -> None:
    """Run the app, and watch it from within."""
    settings = load_settings()
    configure_logging(settings)
    watching: list[asyncio.Task[None]] = []

    def register(app: SegueApp) -> None:
        register_counting(app, settings)
        watching.append(asyncio.create_task(_watch(app, count)))

    await run_app(settings, Health(), register)
    await asyncio.gather(*watching)


async def _watch(app: SegueApp, count: int) -> None:
    """Print the result once `count` plays are counted in both stages and committed."""
    while not (first := _counted(app, 0)):  # noqa: ASYNC110  # states tell nobody
        await asyncio.sleep(POLL_S)
    cpu_s, begin_s = time.process_time(), time.monotonic()
    while _counted(app, 0) < count or _counted(app, 1) < count or _dirty(app):  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    result = {
        "events": count - first,
        "cpu_s": time.process_time() - cpu_s,
        "wall_s": time.monotonic() - begin_s,
    }
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGTERM)


def _counted(app: SegueApp, stage: int) -> int:
    """Return how many plays a stage's states hold."""
    return sum(task.state.counts.total() for task in app.groups[stage].tasks.values())


def _dirty(app: SegueApp) -> bool:
    """Whether something waits for its commit, or is being committed."""
    tasks = [task for group in app.groups for task in group.tasks.values()]
    return any(task.dirty or task._commit_lock.locked() for task in tasks)  # its only trace


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
