"""The composition root: settings become clients, models and one Faust app; then it runs.

Nothing else in the project builds clients or reads settings for others. A worker ends with exit
code 0 on SIGTERM or SIGINT, after it flushed and handed over, and with 1 on anything unexpected.
"""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable
from typing import Any

from agents import register_all
from agents.deps import Deps
from segue.clock import SystemClock
from segue.config import Settings
from segue.probes import serve_probes
from segue.telemetry.health import Health
from segue.telemetry.logs import configure_logging, get_logger
from segue.telemetry.loopdelay import watch_loop_delay
from streams.admin import verified_epochs
from streams.app import SegueApp, create_app
from streams.sinks.connection import connect
from streams.sinks.redis import RedisSink

__all__ = ["run_app", "run_worker"]

logger = get_logger(__name__)

GC_THRESHOLDS = (50_000, 20, 100)  # a collection of everything holds up the loop for 10 ms
SWITCH_INTERVAL_S = 0.0005  # else the consumer's thread waits up to 5 ms for its turn, at each step
STOP_TIMEOUT_S = 30.0


def run_worker(settings: Settings) -> None:
    """Run a worker of `settings.role` until it is told to stop. Exits the process on failure."""
    configure_logging(settings)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if asyncio.run(_recommend(settings)):
        sys.exit(1)


async def _recommend(settings: Settings) -> bool:
    epochs = await verified_epochs(settings)
    health = Health()
    redis = connect(settings.redis_url.get_secret_value())
    try:
        deps = Deps(
            settings=settings,
            sink=RedisSink(redis, settings=settings, health=health),
            health=health,
            clock=SystemClock(),
            epochs=epochs,
        )
        return await run_app(settings, health, lambda app: register_all(app, deps))
    finally:
        await redis.aclose()


async def run_app(settings: Settings, health: Health, register: Callable[[SegueApp], None]) -> bool:
    """Run the app of a role with what `register` adds. Returns whether it failed."""
    app = create_app(settings, health)
    register(app)
    # What exists now lives as long as the process: later collections need not look at it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve_probes(health, settings.web_host, settings.web_port) as port:
        logger.info("worker_started", role=settings.role, web_port=port)
        await _run_until(app, stop, settings)
    failed = app.failure is not None or app.crashed  # Faust crashes by itself when an agent does
    logger.info("worker_stopped", failed=failed)
    return failed


async def _run_until(app: SegueApp, stop: asyncio.Event, settings: Settings) -> None:
    app.finalize()
    watchers = [
        asyncio.create_task(watch_loop_delay(settings.loop_stall_ms)),
        asyncio.create_task(app.observe_lag()),
        *(asyncio.create_task(reader.run()) for reader in app.readers),
    ]
    stopping = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(app.wait_until_stopped())
    known = asyncio.create_task(_read_whole(app))
    try:
        # Not a member of the group before: nobody waits for partitions that it cannot serve yet.
        await _first_of(known, stopping, *watchers)
        if not stop.is_set():
            await app.start()
            await _first_of(stopping, ended, *watchers)
    except Exception as error:  # start-up or a watcher failed: say so, exit with 1
        app.failure = app.failure or error
        logger.exception("worker_broke")
    finally:
        for task in (known, stopping, ended, *watchers):
            task.cancel()
        if app.started:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await app.stop()


async def _read_whole(app: SegueApp) -> None:
    """Wait for what every worker needs to know."""
    for reader in app.readers:
        await reader.complete()


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    """Wait for the first that ends; raises what ended it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()  # a watcher ends only by failing
