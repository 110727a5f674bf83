"""The run folder (`.segue/run`): who supervises this data folder, and what it runs.

A lock makes sure that there is one supervisor. The kernel drops it with the process, so a crash
leaves nothing to clear by hand.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from segue.errors import SegueError, Unavailable
from segue.local import pidfile
from segue.local.state import (
    Endpoints,
    StackState,
    decode_endpoints,
    decode_state,
    encode,
    write_private,
)

SUPERVISOR = "supervisor.pid"
KILL_WAIT_S = 5.0
POLL_S = 0.05


class RunDirectory:
    """Read and write access to the run folder of `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir.resolve() / "run"
        self.log_dir = data_dir.resolve() / "logs"

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Be the one supervisor of this folder. Raises SegueError when there is one already."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "supervisor.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SegueError(
                    f"it runs already, supervised by pid {self.supervisor_pid()}",
                    remedy="see `segue status`; `segue down` stops it",
                ) from None
            pidfile.write(self.path / SUPERVISOR, os.getpid())
            try:
                yield
            finally:
                for name in (SUPERVISOR, "state.json", "endpoints.json"):
                    (self.path / name).unlink(missing_ok=True)

    def supervisor_pid(self) -> int | None:
        """Return the pid of the running supervisor, or None."""
        return pidfile.read(self.path / SUPERVISOR)

    def pid_path(self, name: str) -> Path:
        """Return where the pid of child `name` stands."""
        return self.path / f"{name}.pid"

    def write_state(self, state: StackState) -> None:
        """Publish what runs."""
        write_private(self.path / "state.json", encode(state))

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Publish where it answers."""
        write_private(self.path / "endpoints.json", encode(endpoints))

    def read_state(self) -> StackState:
        """Return what runs; stage "down" without a supervisor, "starting" before it wrote any."""
        supervisor_pid = self.supervisor_pid()
        if supervisor_pid is None:
            return StackState(None, "down")
        try:
            return decode_state((self.path / "state.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return StackState(supervisor_pid, "starting")

    def read_endpoints(self) -> Endpoints | None:
        """Return where the running stack answers, None if none runs."""
        if self.supervisor_pid() is None:
            return None
        try:
            return decode_endpoints((self.path / "endpoints.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def stop_supervisor(self, timeout_s: float) -> int | None:
        """Ask the supervisor to drain and wait until it is gone. Returns its pid, None if none ran.

        After `timeout_s` it is killed, and its children with it.
        """
        pid = self.supervisor_pid()
        if pid is not None:
            self._end(self.path / SUPERVISOR, timeout_s)
        return pid

    def clear_orphans(self) -> list[str]:
        """Kill children that outlived a killed supervisor; returns their names.

        On Linux there are none: the kernel killed them with it. Call when no supervisor runs, or
        as the supervisor.
        """
        names = []
        for path in sorted(set(self.path.glob("*.pid")) - {self.path / SUPERVISOR}):
            if pidfile.read(path) is not None:
                names.append(path.stem)
                self._end(path, KILL_WAIT_S)
            path.unlink(missing_ok=True)
        return names

    @staticmethod
    def _end(path: Path, timeout_s: float) -> None:
        """SIGTERM, then SIGKILL after `timeout_s`, the process that a pid file names."""
        for number, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, KILL_WAIT_S)):
            pid = pidfile.read(path)
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline_s = time.monotonic() + wait_s
            while pidfile.read(path) is not None and time.monotonic() < deadline_s:
                time.sleep(POLL_S)
        if pidfile.read(path) is not None:
            raise Unavailable(f"the process of {path} does not end", remedy="see what holds it")
