"""Keeps child processes running: restarts with backoff, probes, stops in order.

A service that ends is started again after a pause that doubles from 0.5 s to 30 s and falls back
once it ran for 30 s. One that ends with code 2 (misconfigured) is left alone: it would only end
again. A worker that says for 10 s that it makes no progress is killed, and so restarted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from segue.errors import SegueError
from segue.local.process import ManagedProcess
from segue.local.state import Condition, Kind, ServiceState
from segue.local.worker_process import Probe

MISCONFIGURED_EXIT = 2
PROBE_INTERVAL_S = 0.5
STUCK_PROBES_MAX = 20


class Service(Protocol):
    """Something with a process that can be started, waited for and stopped, again and again."""

    process: ManagedProcess

    async def start(self) -> None:
        """Start the process. Raises SegueError when it cannot."""

    async def wait_ready(self) -> None:
        """Return when it serves. Raises SegueError when it ended or takes too long."""

    async def stop(self) -> None:
        """Stop it in order, within a bounded time."""


@runtime_checkable
class Probed(Protocol):
    """A service that tells its readiness while it runs."""

    async def probe(self) -> Probe:
        """Ask it. Never raises, takes 2 s at most."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses before restarts, in seconds."""

    first_s: float = 0.5
    last_s: float = 30.0
    steady_s: float = 30.0

    def pause_s(self, failure_count: int) -> float:
        """Return the pause after this many failures in a row (1 or more)."""
        return min(self.last_s, self.first_s * 2.0 ** (failure_count - 1))


@dataclass(slots=True)
class Watched:
    """A service and what is known of it."""

    service: Service
    kind: Kind
    port: int
    condition: Condition = "starting"
    ready: bool = False
    restarts: int = 0
    started_at_ms: int | None = None
    detail: str = ""
    stuck_probes: int = 0
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    def row(self) -> ServiceState:
        """Return it as a row of the status table."""
        return ServiceState(
            name=self.service.process.name,
            kind=self.kind,
            port=self.port,
            pid=self.service.process.pid,
            condition=self.condition,
            ready=self.ready,
            restarts=self.restarts,
            started_at_ms=self.started_at_ms,
            detail=self.detail,
        )


class Supervisor:
    """Owns services from `start` to `stop`. One event loop, one owner."""

    def __init__(self, backoff: Backoff | None = None) -> None:
        self.backoff = backoff or Backoff()
        self.watched: list[Watched] = []
        self._prober: asyncio.Task[None] | None = None

    async def start(self, service: Service, kind: Kind, port: int) -> None:
        """Start a service, wait until it is ready, and keep it running from then on.

        Raises what the service raises; it is then stopped by `stop` like the others.
        """
        watched = Watched(service, kind, port)
        self.watched.append(watched)
        await self._bring_up(watched)
        watched.keeper = asyncio.create_task(self._keep(watched), name=f"keep-{kind}")
        if self._prober is None:
            self._prober = asyncio.create_task(self._probe_all(), name="probe-services")

    def rows(self) -> tuple[ServiceState, ...]:
        """Return the state of all services, in the order they were started."""
        return tuple(watched.row() for watched in self.watched)

    async def watch(self) -> None:
        """Run until cancelled. Raises what a keeper or the prober raises: a bug of ours."""
        await asyncio.gather(*(w.keeper for w in self.watched if w.keeper))
        if self._prober is not None:
            await self._prober

    async def stop(self, order: Sequence[Kind]) -> None:
        """Stop restarting, then stop the services kind after kind, those of a kind together.

        If it is cancelled, what still runs is killed.
        """
        tasks = [task for task in (self._prober, *(w.keeper for w in self.watched)) if task]
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        try:
            for kind in order:
                await asyncio.gather(*(_stop(w) for w in self.watched if w.kind == kind))
        finally:
            await asyncio.gather(*(w.service.process.kill() for w in self.watched))
        for result in ended:
            if isinstance(result, Exception):  # a keeper of ours broke: that is a bug, show it
                raise result

    async def _keep(self, watched: Watched) -> None:
        """Restart a service for as long as we are not cancelled."""
        failure_count = 0
        while True:
            code = await watched.service.process.wait()
            ran_s = time.time() - (watched.started_at_ms or 0) / 1000
            failure_count = 1 if ran_s > self.backoff.steady_s else failure_count + 1
            watched.ready = False
            reason = f"ended with {code}: {watched.service.process.log_tail()[:200]}"
            if code == MISCONFIGURED_EXIT:
                watched.condition, watched.detail = "failed", reason
                return
            pause_s = self.backoff.pause_s(failure_count)
            watched.condition, watched.detail = "restarting", f"in {pause_s:.1f} s; it {reason}"
            await asyncio.sleep(pause_s)
            watched.restarts += 1
            try:
                await self._bring_up(watched)
            except SegueError as error:
                # Not ready in time, or its port is taken: the next round pauses longer.
                await watched.service.process.kill()
                watched.detail = str(error)

    @staticmethod
    async def _bring_up(watched: Watched) -> None:
        """Start the service and wait until it is ready, or as good as it says."""
        watched.condition, watched.detail, watched.stuck_probes = "starting", "", 0
        watched.started_at_ms = int(time.time() * 1000)
        await watched.service.start()
        await watched.service.wait_ready()
        watched.condition = "running"
        watched.ready = not isinstance(watched.service, Probed)

    async def _probe_all(self) -> None:
        """Ask every running service that can be asked, twice a second."""
        while True:
            await asyncio.gather(*(self._probe(w) for w in self.watched))
            await asyncio.sleep(PROBE_INTERVAL_S)

    @staticmethod
    async def _probe(watched: Watched) -> None:
        if not isinstance(watched.service, Probed) or watched.condition != "running":
            return
        pid = watched.service.process.pid
        found = await watched.service.probe()
        if pid is None or watched.service.process.pid != pid:  # it ended meanwhile
            return
        watched.ready, watched.detail = found.ready, "" if found.ready else found.detail
        watched.stuck_probes = 0 if found.live else watched.stuck_probes + 1
        if watched.stuck_probes >= STUCK_PROBES_MAX:
            await watched.service.process.kill()


async def _stop(watched: Watched) -> None:
    watched.condition, watched.ready, watched.detail = "stopping", False, ""
    await watched.service.stop()
    watched.condition = "stopped"
