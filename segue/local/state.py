"""What runs, as data: written by the supervisor to `run/state.json`, read by `segue status`.

`run/endpoints.json` says where Kafka, Redis and the workers' probes answer, for other commands.
Both are written whole or not at all, readable by their owner only (an address may hold a password).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

# A service that ended so often may come up yet (Kafka was away), but nobody should wait for it.
RESTARTS_HOPEFUL_MAX = 4

Kind = Literal["kafka", "redis", "worker"]
Condition = Literal["starting", "running", "restarting", "failed", "stopping", "stopped"]
Stage = Literal["starting", "up", "stopping", "down"]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One child process as a row of the status table. `detail` says why it is not ready."""

    name: str
    kind: Kind
    port: int
    pid: int | None
    condition: Condition
    ready: bool
    restarts: int
    started_at_ms: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StackState:
    """All rows, and who supervises them. Stage "down" when nobody does."""

    supervisor_pid: int | None
    stage: Stage
    services: tuple[ServiceState, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether everything was started and is ready."""
        return self.stage == "up" and all(service.ready for service in self.services)

    @property
    def failed(self) -> tuple[ServiceState, ...]:
        """The services that somebody must mend: not started again, or ending again and again."""
        return tuple(
            service
            for service in self.services
            if service.condition == "failed"
            or (service.condition == "restarting" and service.restarts >= RESTARTS_HOPEFUL_MAX)
        )


@dataclass(frozen=True, slots=True)
class WorkerEndpoint:
    """Where one worker serves /metrics and /health."""

    name: str
    role: str
    web_port: int


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where everything answers."""

    kafka_bootstrap: str
    redis_url: str
    workers: tuple[WorkerEndpoint, ...] = field(default=())


def encode(value: StackState | Endpoints) -> bytes:
    """Return the JSON of a state, indented for people."""
    return orjson.dumps(asdict(value), option=orjson.OPT_INDENT_2)


def decode_state(raw: bytes) -> StackState:
    """Read back what `encode` wrote. Raises ValueError when it is something else."""
    fields: dict[str, Any] = orjson.loads(raw)
    services = tuple(ServiceState(**row) for row in fields.pop("services"))
    return StackState(**fields, services=services)


def decode_endpoints(raw: bytes) -> Endpoints:
    """Read back what `encode` wrote. Raises ValueError when it is something else."""
    fields: dict[str, Any] = orjson.loads(raw)
    workers = tuple(WorkerEndpoint(**row) for row in fields.pop("workers"))
    return Endpoints(**fields, workers=workers)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(path)
