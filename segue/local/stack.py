"""The whole stack on one machine: Redis, Kafka, topics, workers, in this order; back in reverse.

`segue up`, `segue demo` and the integration tests use it as an async context manager. Kafka or
Redis is left out when the settings name one elsewhere: then it is only asked whether it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from segue.config import Settings
from segue.errors import SegueError, Unavailable
from segue.local import kafka_ready, redis_node
from segue.local.kafka_cluster import KafkaCluster
from segue.local.ports import LOOPBACK, free_port, require_free
from segue.local.process import ManagedProcess
from segue.local.redis_node import RedisNode
from segue.local.rundir import RunDirectory
from segue.local.state import Endpoints, StackState, Stage, WorkerEndpoint
from segue.local.supervisor import Backoff, Supervisor
from segue.local.together import together
from segue.local.worker_process import SEGUE_COMMAND, WorkerProcess, worker_environment

TOPICS_TIMEOUT_S = 60.0
PUBLISH_INTERVAL_S = 0.5
READY_POLL_S = 0.05


class LocalStack:
    """Everything of one data folder, from `start` to `stop`.

    `workers` workers run for each of `roles`; `command` is what starts our command line. A port of
    0 in the settings takes a free one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        roles: Sequence[str] = ("recommend",),
        workers: int = 1,
        command: Sequence[str] = SEGUE_COMMAND,
        backoff: Backoff | None = None,
    ) -> None:
        self.settings = settings
        self.run_dir = RunDirectory(settings.data_dir)
        self.supervisor = Supervisor(backoff)
        self.stage: Stage = "starting"
        self._command = tuple(command)
        self.kafka = None if external_kafka(settings) else _kafka(settings)
        self.redis = None if external_redis(settings) else _redis(settings)
        self.endpoints = Endpoints(
            self.kafka.bootstrap if self.kafka else settings.kafka_bootstrap,
            self.redis.url if self.redis else settings.redis_url.get_secret_value(),
            _worker_endpoints(settings, roles, workers),
        )
        self._publisher: asyncio.Task[None] | None = None
        self._owned = contextlib.ExitStack()

    def state(self) -> StackState:
        """Return what runs now."""
        return StackState(os.getpid(), self.stage, self.supervisor.rows())

    async def start(self) -> None:
        """Bring everything up, workers started but perhaps still restoring.

        Raises SegueError with the remedy when something is missing; nothing is left running then.
        """
        self._owned.enter_context(self.run_dir.owned())
        try:
            self.run_dir.clear_orphans()
            self._publisher = asyncio.create_task(self._publish(), name="publish-state")
            await together(self._start_redis(), self._start_kafka())
            await self._apply_topics()
            for endpoint in self.endpoints.workers:
                require_free(endpoint.web_port, setting="SEGUE_WEB_PORT")
                worker = self._worker(endpoint)
                await self.supervisor.start(worker, "worker", endpoint.web_port)
            self.run_dir.write_endpoints(self.endpoints)
            self.stage = "up"
            self.run_dir.write_state(self.state())
        except BaseException:
            await self.stop()
            raise

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until every worker is ready. Raises Unavailable, with the reasons, after the time or
        as soon as one has failed for good."""
        deadline_s = time.monotonic() + timeout_s
        while not self.state().ready:
            late = [row for row in self.supervisor.rows() if not row.ready]
            if self.state().failed or time.monotonic() > deadline_s:
                raise Unavailable(
                    "not ready: " + "; ".join(f"{row.name} {row.detail}" for row in late),
                    what="worker",
                    remedy=f"see the logs in {self.run_dir.log_dir}",
                )
            await asyncio.sleep(READY_POLL_S)

    async def stop(self) -> None:
        """Drain in order: workers, then Kafka, then Redis. May be called twice."""
        if self.stage == "down":
            return
        self.stage = "stopping"
        try:
            await self.supervisor.stop(("worker", "kafka", "redis"))
        finally:
            self.stage = "down"
            if self._publisher is not None:
                self._publisher.cancel()
                await asyncio.gather(self._publisher, return_exceptions=True)
            self._owned.close()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def _start_redis(self) -> None:
        if self.redis is None:
            await redis_node.check_reachable(self.endpoints.redis_url)
            return
        self._adopt(self.redis.process)
        await self.supervisor.start(self.redis, "redis", self.redis.port)

    async def _start_kafka(self) -> None:
        if self.kafka is None:
            await kafka_ready.check_reachable(self.settings.kafka_client_options())
            return
        for node in self.kafka.nodes:
            self._adopt(node.process)
        # At the same time: the first member of three is not ready before the second is.
        await together(
            *(self.supervisor.start(node, "kafka", node.port) for node in self.kafka.nodes)
        )
        await self.kafka.wait_ready()

    async def _apply_topics(self) -> None:
        """Create and verify the topics before any worker starts."""
        process = ManagedProcess(
            "topics",
            [*self._command, "topics", "apply"],
            log_path=self.run_dir.log_dir / "topics.log",
        )
        process.start(self._environment())
        try:
            code = await process.wait(TOPICS_TIMEOUT_S)
        finally:
            await process.kill()
        if code != 0:
            said = process.log_tail() or "it said nothing"
            raise SegueError(
                f"`segue topics apply` ended with {code}: {said}"
                if code is not None
                else f"`segue topics apply` took over {TOPICS_TIMEOUT_S:.0f} s: {said}",
                remedy=f"see {process.log_path}",
            )

    def _worker(self, endpoint: WorkerEndpoint) -> WorkerProcess:
        worker = WorkerProcess(
            endpoint,
            self._environment(),
            log_path=self.run_dir.log_dir / f"{endpoint.name}.log",
            drain_timeout_s=self.settings.drain_timeout_s,
            command=self._command,
        )
        self._adopt(worker.process)
        return worker

    def _environment(self) -> dict[str, str]:
        """Return what every child of ours gets: the given settings and where things answer."""
        env = worker_environment(self.settings)
        env["SEGUE_KAFKA_BOOTSTRAP"] = self.endpoints.kafka_bootstrap
        env["SEGUE_REDIS_URL"] = self.endpoints.redis_url
        env["SEGUE_DATA_DIR"] = str(self.settings.data_dir.resolve())
        if self.kafka is not None and len(self.kafka.nodes) == 3:
            env["SEGUE_REPLICATION_FACTOR"] = "3"
        return env

    def _adopt(self, process: ManagedProcess) -> None:
        """Let a process log and leave its pid where people and `segue down` look."""
        process.log_path = self.run_dir.log_dir / f"{process.name}.log"
        process.pid_path = self.run_dir.pid_path(process.name)

    async def _publish(self) -> None:
        """Write run/state.json when something changed."""
        written: StackState | None = None
        while True:
            state = self.state()
            if state != written:
                self.run_dir.write_state(state)
                written = state
            await asyncio.sleep(PUBLISH_INTERVAL_S)


def external_kafka(settings: Settings) -> bool:
    """Tell whether the settings name a Kafka that is not this machine's own."""
    local = f"{LOOPBACK}:{settings.local_kafka_port}"
    return "kafka_bootstrap" in settings.model_fields_set and not (
        settings.kafka_bootstrap.startswith(local)
    )


def external_redis(settings: Settings) -> bool:
    """Tell whether the settings name a Redis that is not this machine's own."""
    local = f"redis://{LOOPBACK}:{settings.local_redis_port}"
    return "redis_url" in settings.model_fields_set and not (
        settings.redis_url.get_secret_value().startswith(local)
    )


def _kafka(settings: Settings) -> KafkaCluster:
    nodes, first = settings.local_kafka_nodes, settings.local_kafka_port
    ports = [first + index for index in range(nodes)] if first else None
    return KafkaCluster(Path(settings.data_dir) / "kafka", nodes, ports=ports)


def _redis(settings: Settings) -> RedisNode:
    return RedisNode(settings.data_dir / "redis", settings.local_redis_port or None)


def _worker_endpoints(
    settings: Settings, roles: Sequence[str], workers: int
) -> tuple[WorkerEndpoint, ...]:
    """Give each worker a name and a port: web_port and those after it, or free ones."""
    names = [(role, f"{role}-{number}") for role in roles for number in range(1, workers + 1)]
    return tuple(
        WorkerEndpoint(name, role, settings.web_port + index if settings.web_port else free_port())
        for index, (role, name) in enumerate(names)
    )
