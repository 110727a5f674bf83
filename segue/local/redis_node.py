"""One real redis-server as a child process.

It writes an append-only file: what it has answered survives a kill of its process, so that a
restart shows the lists as they were and no older ones.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from segue.errors import Misconfigured, Unavailable
from segue.local.ports import LOOPBACK, free_port, require_free
from segue.local.process import ManagedProcess

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.02


class RedisNode:
    """A redis-server that keeps everything below `directory`; an async context manager."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory.resolve()
        self.port = port if port is not None else free_port()
        self.process = ManagedProcess("redis", log_path=self.directory / "redis.log")

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The pid of the running server, or None."""
        return self.process.pid

    async def start(self) -> None:
        """Start the server. Returns before it is ready.

        Raises Misconfigured when redis-server or a free port is missing.
        """
        require_free(self.port, setting="SEGUE_LOCAL_REDIS_PORT")
        self.directory.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "auto-aof-rewrite-min-size": "512mb",  # 64 would rewrite every few seconds under load
            "daemonize": "no",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self.process.argv = [find_redis_server(), *flags]
        self.process.start()

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the server answers PING, its data loaded. Raises Unavailable if it ends or
        `timeout_s` passes."""
        deadline_s = time.monotonic() + timeout_s
        async with Redis.from_url(self.url, socket_timeout=1.0) as client:
            while not await _answers(client):
                self.check_running()
                if time.monotonic() > deadline_s:
                    raise Unavailable(
                        f"Redis at {self.url} was not ready within {timeout_s:.0f} s",
                        what="redis",
                        remedy=f"see {self.process.log_path}",
                    )
                await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Shut the server down in order; SIGKILL after 10 s. Does nothing if it does not run."""
        await self.process.stop(STOP_TIMEOUT_S)

    async def kill(self) -> None:
        """SIGKILL the server: what a crash does."""
        await self.process.kill()

    def check_running(self) -> None:
        """Raise Unavailable, with the last line of the log, when the server has ended."""
        if not self.process.running:
            raise Unavailable(
                f"redis-server ended with {self.process.exit_code}: "
                f"{self.process.log_tail()[:300]}",
                what="redis",
                remedy=f"see {self.process.log_path}",
            )

    async def __aenter__(self) -> Self:
        """Start and wait until ready."""
        await self.start()
        await self.wait_ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()


def find_redis_server() -> str:
    """Return the path of redis-server. Raises Misconfigured when it is not on PATH."""
    path = shutil.which("redis-server")
    if path is None:
        raise Misconfigured(
            "there is no redis-server on PATH",
            setting="PATH",
            remedy="install it (Debian: apt-get install redis-server), or set SEGUE_REDIS_URL",
        )
    return path


async def check_reachable(url: str, *, timeout_s: float = 5.0) -> None:
    """Ask an outside Redis for PING. Raises Unavailable when it does not answer.

    The message does not show `url`: it may hold a password.
    """
    async with Redis.from_url(url, socket_timeout=timeout_s) as client:
        if not await _answers(client):
            raise Unavailable(
                "Redis does not answer at the address in SEGUE_REDIS_URL",
                what="redis",
                remedy="check the address and password in SEGUE_REDIS_URL, and that it runs",
            )


async def _answers(client: Redis) -> bool:
    """Tell whether the server answers PING (while it loads its data it does not)."""
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
