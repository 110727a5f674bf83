"""The supervisor: restarts with growing pauses, lets misconfigured ones be, stops in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segue.errors import SegueError
from segue.local.process import ManagedProcess
from segue.local.state import (
    Endpoints,
    ServiceState,
    StackState,
    WorkerEndpoint,
    decode_endpoints,
    decode_state,
    encode,
)
from segue.local.supervisor import Backoff, Supervisor
from segue.local.table import changed_lines
from segue.local.worker_process import Probe

BACKOFF = Backoff(first_s=0.05, last_s=0.2, steady_s=30.0)
RUN = "import time; print('up', flush=True); time.sleep(60)"


class Program:
    """A service that is a short Python program."""

    def __init__(self, name: str, source: str, folder: Path) -> None:
        self.process = ManagedProcess(
            name, [sys.executable, "-c", source], log_path=folder / f"{name}.log"
        )
        self.starts = 0
        self.refuse_starts: set[int] = set()

    async def start(self) -> None:
        self.starts += 1
        if self.starts in self.refuse_starts:
            raise SegueError(f"start {self.starts} refused")
        self.process.start()

    async def wait_ready(self) -> None:
        return None

    async def stop(self) -> None:
        await self.process.stop(5.0)


class Talker(Program):
    """A service that says how it is."""

    said = Probe(False, True, "restoring 3 of 4")

    async def probe(self) -> Probe:
        return self.said


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_killed_service_is_started_again(tmp_path: Path) -> None:
    supervisor, program = Supervisor(BACKOFF), Program("p", RUN, tmp_path)
    await supervisor.start(program, "worker", 1)
    first = program.process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: program.process.pid not in (None, first))
    (row,) = supervisor.rows()
    assert (row.restarts, row.condition, row.ready) == (1, "running", True)
    await supervisor.stop(["worker"])
    assert program.process.pid is None
    assert supervisor.rows()[0].condition == "stopped"


async def test_service_that_keeps_ending_is_started_with_growing_pauses(tmp_path: Path) -> None:
    supervisor = Supervisor(BACKOFF)
    program = Program("p", "print('cannot go on'); raise SystemExit(1)", tmp_path)
    await supervisor.start(program, "worker", 1)
    await until(lambda: "in 0.2 s; it ended with 1: cannot go on" in supervisor.rows()[0].detail)
    assert supervisor.rows()[0].restarts >= 2
    assert not supervisor.rows()[0].ready
    await supervisor.stop(["worker"])
    assert [BACKOFF.pause_s(count) for count in (1, 2, 3, 4)] == [0.05, 0.1, 0.2, 0.2]


async def test_misconfigured_service_is_not_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(BACKOFF)
    program = Program("p", "print('segue: SEGUE_X is wrong'); raise SystemExit(2)", tmp_path)
    await supervisor.start(program, "worker", 1)
    await until(lambda: supervisor.rows()[0].condition == "failed")
    await asyncio.sleep(0.2)  # longer than the pause before a restart would be
    assert program.starts == 1
    assert supervisor.rows()[0].detail == "ended with 2: segue: SEGUE_X is wrong"
    assert [row.name for row in StackState(1, "up", supervisor.rows()).failed] == ["p"]
    await supervisor.stop(["worker"])


async def test_restart_that_cannot_start_is_tried_again(tmp_path: Path) -> None:
    supervisor, program = Supervisor(BACKOFF), Program("p", RUN, tmp_path)
    program.refuse_starts = {2, 3}
    await supervisor.start(program, "kafka", 1)
    program.process.signal(signal.SIGKILL)
    await until(lambda: program.starts == 4 and supervisor.rows()[0].ready)
    assert supervisor.rows()[0].restarts == 3
    await supervisor.stop(["kafka"])


async def test_readiness_is_what_the_worker_says(tmp_path: Path) -> None:
    supervisor, talker = Supervisor(BACKOFF), Talker("t", RUN, tmp_path)
    await supervisor.start(talker, "worker", 1)
    await until(lambda: supervisor.rows()[0].detail == "restoring 3 of 4")
    assert not supervisor.rows()[0].ready
    talker.said = Probe(True, True, "")
    await until(lambda: supervisor.rows()[0].ready)
    assert supervisor.rows()[0].detail == ""
    await supervisor.stop(["worker"])


async def test_worker_without_progress_is_killed_and_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.local.supervisor.PROBE_INTERVAL_S", 0.01)
    monkeypatch.setattr("segue.local.supervisor.STUCK_PROBES_MAX", 5)
    supervisor, talker = Supervisor(BACKOFF), Talker("t", RUN, tmp_path)
    talker.said = Probe(False, False, "no progress")
    await supervisor.start(talker, "worker", 1)
    await until(lambda: talker.starts >= 2)
    await supervisor.stop(["worker"])


async def test_services_stop_kind_after_kind(tmp_path: Path) -> None:
    order = tmp_path / "order"
    source = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(0.1); open({str(order)!r}, 'a').write(sys.argv[1] + ' '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(60)\n"
    )
    supervisor = Supervisor(BACKOFF)
    for name, kind in (("r", "redis"), ("k", "kafka"), ("w1", "worker"), ("w2", "worker")):
        program = Program(name, source, tmp_path)
        program.process.argv.append(kind)
        await supervisor.start(program, kind, 1)  # type: ignore[arg-type]  # a literal in a tuple
        await until(lambda program=program: "up" in program.process.log_tail())  # type: ignore[misc]
    await supervisor.stop(["worker", "kafka", "redis"])
    assert order.read_text() == "worker worker kafka redis "


async def test_cancelled_stop_kills_what_is_left(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
    supervisor = Supervisor(BACKOFF)
    programs = [Program(name, stubborn + "time.sleep(60)", tmp_path) for name in ("k", "w")]
    await supervisor.start(programs[0], "kafka", 1)
    await supervisor.start(programs[1], "worker", 1)
    await until(lambda: all("up" in program.process.log_tail() for program in programs))
    stop = asyncio.create_task(supervisor.stop(["worker", "kafka"]))
    await until(lambda: supervisor.rows()[1].condition == "stopping")
    stop.cancel()
    await asyncio.gather(stop, return_exceptions=True)
    assert [program.process.exit_code for program in programs] == [-9, -9]


def test_states_survive_their_files() -> None:
    row = ServiceState("recommend-1", "worker", 6066, 7, "running", True, 0, 1_700_000_000_000)
    state = StackState(5, "up", (row,))
    assert decode_state(encode(state)) == state
    assert state.ready
    assert not StackState(5, "starting", (row,)).ready
    endpoints = Endpoints(
        "127.0.0.1:1", "redis://127.0.0.1:2/0", (WorkerEndpoint("r-1", "recommend", 3),)
    )
    assert decode_endpoints(encode(endpoints)) == endpoints


def test_only_changes_become_lines() -> None:
    starting = ServiceState("redis", "redis", 1, 7, "starting", False, 0, 1)
    running = ServiceState("redis", "redis", 1, 7, "running", True, 0, 1)
    before, now = StackState(5, "up", (starting,)), StackState(5, "up", (running,))
    assert changed_lines(before, now) == ["redis: running, ready"]
    assert changed_lines(now, now) == []
