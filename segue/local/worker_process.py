"""One worker of one role as a child process, and what its health pages say."""

from __future__ import annotations

import asyncio
import http.client
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import SecretStr

from segue.config import Settings
from segue.local.ports import LOOPBACK
from segue.local.process import ManagedProcess
from segue.local.state import WorkerEndpoint

SEGUE_COMMAND = (sys.executable, "-m", "segue.cli")
PROBE_TIMEOUT_S = 1.0
KILL_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What a worker says of itself. `live` is False only when it says so itself."""

    ready: bool
    live: bool
    detail: str


class WorkerProcess:
    """A worker started as `COMMAND worker ROLE` with its settings in the environment."""

    def __init__(
        self,
        endpoint: WorkerEndpoint,
        env: Mapping[str, str],
        *,
        log_path: Path,
        drain_timeout_s: float,
        command: Sequence[str] = SEGUE_COMMAND,
    ) -> None:
        self.endpoint = endpoint
        self.env = {**env, "SEGUE_ROLE": endpoint.role, "SEGUE_WEB_PORT": str(endpoint.web_port)}
        self.process = ManagedProcess(
            endpoint.name, [*command, "worker", endpoint.role], log_path=log_path
        )
        self._stop_timeout_s = drain_timeout_s + KILL_MARGIN_S

    async def start(self) -> None:
        """Start the worker. Returns before it is ready."""
        self.process.start(self.env)

    async def wait_ready(self) -> None:
        """Return at once: a worker that restores may take long. The supervisor probes it."""

    async def stop(self) -> None:
        """SIGTERM: flush, hand over; SIGKILL 5 s after the drain timeout."""
        await self.process.stop(self._stop_timeout_s)

    async def probe(self) -> Probe:
        """Ask the health pages; at most 2 s. Never raises."""
        return await asyncio.to_thread(self._probe)

    def _probe(self) -> Probe:
        try:
            status, reasons = _get(self.endpoint.web_port, "/health/ready")
            live = status == http.client.OK or _get(self.endpoint.web_port, "/health/live")[0] < 500
        except (OSError, http.client.HTTPException):
            return Probe(False, True, "no answer yet")
        return Probe(status == http.client.OK, live, reasons)


def worker_environment(settings: Settings) -> dict[str, str]:
    """Return every setting that was given explicitly, as the variables a child reads."""
    env = {}
    for name in sorted(settings.model_fields_set):
        value = getattr(settings, name)
        if value is None:
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        env[f"SEGUE_{name.upper()}"] = text
    return env


def _get(port: int, path: str) -> tuple[int, str]:
    """Return status and what the page waits for: its JSON list `waiting_for`, else its text."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(65536)
    finally:
        connection.close()
    try:
        return response.status, "; ".join(orjson.loads(body)["waiting_for"])
    except (ValueError, KeyError, TypeError):
        return response.status, body[:200].decode("utf-8", "replace").strip()
