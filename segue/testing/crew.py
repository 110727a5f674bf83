"""Worker processes of a test: started, killed, stopped, frozen, and asked how they are."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.registry import TOPICS
from segue.config import Settings
from segue.local.ports import LOOPBACK, free_port
from segue.local.state import WorkerEndpoint
from segue.local.worker_process import SEGUE_COMMAND, Probe, WorkerProcess, worker_environment
from segue.testing.waiting import eventually

__all__ = ["Crew", "Worker"]

START_S = 60.0
SUPERVISE_S = 0.2
COMMAND_S = 60.0


class Worker:
    """One worker process. It may be started again after it ended."""

    def __init__(self, running: WorkerProcess) -> None:
        self._running = running

    @property
    def name(self) -> str:
        """What its log is called."""
        return self._running.process.name

    @property
    def pid(self) -> int | None:
        """The id of the process, None if it is not there."""
        return self._running.process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self._running.process.running

    @property
    def exit_code(self) -> int | None:
        """What it ended with; negative: the signal."""
        return self._running.process.exit_code

    @property
    def log(self) -> str:
        """All that it wrote, from its first start on."""
        return self._running.process.log_path.read_text(errors="replace")

    async def start(self) -> None:
        """Start it, or start it again."""
        await self._running.start()

    async def kill(self) -> None:
        """SIGKILL: a crash."""
        await self._running.process.kill()

    async def stop(self, timeout_s: float = 20.0) -> int | None:
        """SIGTERM; returns the exit code. SIGKILL after `timeout_s`."""
        return await self._running.process.stop(timeout_s)

    async def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; returns the exit code, None if it runs still."""
        return await self._running.process.wait(timeout_s)

    def freeze(self) -> None:
        """SIGSTOP: it stands still and does not know it."""
        self._running.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if nothing had happened."""
        self._running.process.signal(signal.SIGCONT)

    async def probe(self) -> Probe:
        """Ask its health pages."""
        return await self._running.probe()

    async def ready(self) -> bool:
        """Tell whether it says that it is ready; raises AssertionError when it has ended."""
        assert self.running, f"{self.name} ended with {self.exit_code}: {self.log[-2000:]}"
        return (await self.probe()).ready

    async def metric(self, pattern: str) -> float:
        """Return the sum of the samples whose name and labels match a regular expression."""
        text = await asyncio.to_thread(_get, self._running.endpoint.web_port, "/metrics")
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return sum(float(value) for name, _, value in lines if re.fullmatch(pattern, name))


class Crew:
    """Workers of one set of settings. Leaving the block kills those that are left."""

    def __init__(
        self, settings: Settings, directory: Path, *, command: Sequence[str] = SEGUE_COMMAND
    ) -> None:
        self.workers: list[Worker] = []
        self._settings = settings
        self._directory = directory
        self._command = command

    async def hire(
        self, count: int = 1, *, settings: Settings | None = None, **env: str
    ) -> list[Worker]:
        """Start more workers, also with other settings; returns them at once, not ready.

        `env` is added to their environment.
        """
        hired = []
        for _ in range(count):
            number = len(self.workers)
            running = WorkerProcess(
                WorkerEndpoint(f"worker-{number}", self._settings.role, free_port()),
                {**worker_environment(settings or self._settings), **self._bytecode, **env},
                log_path=self._directory / f"worker-{number}.log",
                drain_timeout_s=self._settings.drain_timeout_s,
                command=self._command,
            )
            hired.append(Worker(running))
            self.workers.append(hired[-1])
            await hired[-1].start()
        return hired

    async def all_ready(self, deadline_s: float = START_S) -> None:
        """Wait until all that were hired are ready at the same time."""

        async def ready() -> bool:
            return all([await worker.ready() for worker in self.workers])

        await eventually(ready, deadline_s, interval_s=0.1, claim="all workers are ready")

    async def has_everything(self) -> bool:
        """Return whether those that answer have the partitions of all stages."""
        keyed = self._settings.partitions
        groups = {spec.group: spec.partition_count(keyed) for spec in TOPICS if spec.group}
        return await self.assigned() == sum(groups.values())

    async def assigned(self) -> float:
        """Return how many partitions of all stages those that answer say they have."""
        total = 0.0
        for worker in self.workers:
            if worker.running and (await worker.probe()).ready:
                total += await worker.metric("segue_partitions_assigned.*")
        return total

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[list[str]]:
        """Start again, for a block, whoever ends; yields the list of their names as it grows."""
        restarted: list[str] = []

        async def supervise() -> None:
            while True:
                for worker in self.workers:
                    if not worker.running:
                        restarted.append(worker.name)
                        await worker.start()
                await asyncio.sleep(SUPERVISE_S)

        supervising = asyncio.create_task(supervise())
        try:
            yield restarted
        finally:
            supervising.cancel()
            await asyncio.wait([supervising])

    async def __aenter__(self) -> Self:
        """Begin with nobody."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill all."""
        for worker in self.workers:
            await worker.kill()

    async def segue(self, *arguments: str) -> tuple[int, str]:
        """Run a command of `segue` with the same settings; returns exit code and output."""
        child = await asyncio.create_subprocess_exec(
            *SEGUE_COMMAND,
            *arguments,
            env={**os.environ, **worker_environment(self._settings), **self._bytecode},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(COMMAND_S):
            output, _ = await child.communicate()
        assert child.returncode is not None
        return child.returncode, output.decode()

    @property
    def _bytecode(self) -> dict[str, str]:
        """Let workers share compiled modules where the environment keeps Python from it.

        Without them a start costs 2 CPU seconds more, and a kill loop would mostly compile.
        """
        if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
            return {}
        return {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self._directory.parent / "bytecode"),
        }


def _get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
