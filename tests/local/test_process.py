"""Child processes: stopped in time, logged, and never outliving us."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segue.errors import Bug
from segue.local import pidfile
from segue.local.process import ManagedProcess

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN)\n"
    "print('up', flush=True); time.sleep(60)",
]


async def until(process: ManagedProcess, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in process.log_tail(5):
            await asyncio.sleep(0.01)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


async def test_stop_ends_the_child_and_removes_its_pid_file(tmp_path: Path) -> None:
    process = ManagedProcess("sleeper", SLEEPER, log_path=tmp_path / "logs" / "sleeper.log")
    process.pid_path = tmp_path / "run" / "sleeper.pid"
    process.start()
    await until(process, "up")
    assert pidfile.read(process.pid_path) == process.pid
    assert await process.stop(5.0) == -signal.SIGTERM
    assert process.pid is None
    assert not process.pid_path.exists()


async def test_child_that_ignores_sigterm_is_killed_after_the_timeout(tmp_path: Path) -> None:
    process = ManagedProcess("stubborn", STUBBORN, log_path=tmp_path / "log")
    process.start()
    await until(process, "up")
    began_s = time.monotonic()
    assert await process.stop(0.3) == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began_s < 5


async def test_cancelled_stop_leaves_no_child(tmp_path: Path) -> None:
    process = ManagedProcess("stubborn", STUBBORN, log_path=tmp_path / "log")
    process.start()
    await until(process, "up")
    stop = asyncio.create_task(process.stop(30.0))
    await asyncio.sleep(0)
    stop.cancel()
    await asyncio.gather(stop, return_exceptions=True)
    assert await process.wait(5.0) == -signal.SIGKILL


async def test_running_process_cannot_be_started_twice(tmp_path: Path) -> None:
    process = ManagedProcess("sleeper", SLEEPER, log_path=tmp_path / "log")
    process.start()
    with pytest.raises(Bug, match="sleeper runs already"):
        process.start()
    await process.kill()


async def test_missing_program_ends_with_127_and_says_so(tmp_path: Path) -> None:
    process = ManagedProcess("ghost", ["/no/such/program"], log_path=tmp_path / "log")
    process.start()
    assert await process.wait(5.0) == 127
    assert process.log_tail() == "/no/such/program: No such file or directory"


async def test_environment_is_added_to_ours(tmp_path: Path) -> None:
    show = [sys.executable, "-c", "import os; print(os.environ['SEGUE_X'], 'PATH' in os.environ)"]
    process = ManagedProcess("show", show, log_path=tmp_path / "log")
    process.start({"SEGUE_X": "here"})
    assert await process.wait(5.0) == 0
    assert process.log_tail() == "here True"


async def test_large_log_is_rotated_at_start(tmp_path: Path) -> None:
    log = tmp_path / "quick.log"
    with log.open("wb") as file:
        file.truncate(17 * 2**20)
    process = ManagedProcess("quick", [sys.executable, "-c", "print('new')"], log_path=log)
    process.start()
    await process.wait(5.0)
    assert log.read_text() == "new\n"
    assert (tmp_path / "quick.log.1").stat().st_size == 17 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ties children on Linux only")
def test_children_die_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys; from pathlib import Path\n"
        "from segue.local.process import ManagedProcess\n"
        f"child = ManagedProcess('child', {STUBBORN!r}, log_path=Path({str(tmp_path / 'log')!r}))\n"
        "child.start(); print(child.pid, flush=True); asyncio.run(child.wait())\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        # It must be the command itself by then: while it is tied it looks whether we still live.
        wait_for(lambda: "up" in (tmp_path / "log").read_text())
        assert pidfile.started_at(child_pid) is not None
        process.kill()
        process.wait()
    try:
        wait_for(lambda: pidfile.started_at(child_pid) is None)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child_pid, signal.SIGKILL)


def test_pid_file_of_an_ended_process_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "x.pid"
    assert pidfile.read(path) is None
    pidfile.write(path, os.getpid())
    assert pidfile.read(path) == os.getpid()
    path.write_text(f"{os.getpid()} 1\n")  # the pid was given to a process that started later
    assert pidfile.read(path) is None
