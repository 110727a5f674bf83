"""One child process: started with a log file and a pid file, tied to our life, stopped in time.

Everything `segue.local` starts (Kafka, Redis, workers) is a `ManagedProcess`. It may be started
again after it ended. Waiting polls the child every 20 ms: that needs no thread, signal handler or
event loop of its own, so it works in any loop and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from segue.errors import Bug
from segue.local import pidfile

TETHER = Path(__file__).with_name("tether.py")
POLL_S = 0.02
LOG_BYTES_MAX = 16 * 2**20


class ManagedProcess:
    """A named command whose output goes to `log_path`, and whose pid to `pid_path` if that is set.

    Dies with us, whatever kills us (Linux). Not shared between tasks: one owner starts and stops.
    """

    def __init__(self, name: str, argv: Sequence[str] = (), *, log_path: Path) -> None:
        self.name = name
        self.argv = list(argv)
        self.log_path = log_path
        self.pid_path: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running child, or None."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the child runs now."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What the last child ended with (negative: the signal), None if it runs or never ran."""
        return None if self._child is None else self._child.poll()

    def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start the command; `env` is added to our environment. Returns at once."""
        if self.running:
            raise Bug(f"{self.name} runs already, pid {self.pid}")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate_log()
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid())]
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                [*tether, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # a terminal's Ctrl-C reaches us only; we drain in order
            )
        if self.pid_path is not None:
            pidfile.write(self.pid_path, self._child.pid)

    async def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until the child has ended. Returns its exit code, or None after `timeout_s`."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while self.running:
            if deadline_s is not None and time.monotonic() >= deadline_s:
                return None
            await asyncio.sleep(POLL_S)
        if self.pid_path is not None:
            self.pid_path.unlink(missing_ok=True)
        return self.exit_code

    async def stop(self, timeout_s: float) -> int | None:
        """SIGTERM, then SIGKILL after `timeout_s`. Returns the exit code; may be called twice."""
        self.signal(signal.SIGTERM)
        try:
            code = await self.wait(timeout_s)
        except asyncio.CancelledError:  # a second Ctrl-C: leave no child behind
            self.signal(signal.SIGKILL)
            raise
        return await self.kill() if self.running else code

    async def kill(self) -> int | None:
        """SIGKILL and wait until the child is gone. Returns the exit code."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the child if it runs."""
        if self._child is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    def log_tail(self, line_count: int = 1) -> str:
        """Return the last non-empty lines of the log, for messages."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join([line for line in lines if line.strip()][-line_count:])

    def _rotate_log(self) -> None:
        """Keep the log and one before it, each up to 16 MiB plus one run."""
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_MAX:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
