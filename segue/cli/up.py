"""`segue up`: Kafka, Redis and workers on this machine, kept running, with a live table."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from segue.config import Settings, load_settings
from segue.errors import SegueError, Unavailable
from segue.local.rundir import RunDirectory
from segue.local.stack import LocalStack
from segue.local.state import StackState
from segue.local.table import changed_lines, status_table
from segue.local.worker_process import SEGUE_COMMAND

VIEW_INTERVAL_S = 0.5
DETACH_TIMEOUT_S = 180.0


@click.command()
@click.option("--detach", is_flag=True, help="Leave it running in the background.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Workers of each role.",
)
@click.option(
    "--nodes",
    type=click.Choice(["1", "3"]),
    default=None,
    help="Kafka nodes: 1, or 3 to try fail-over. [default: SEGUE_LOCAL_KAFKA_NODES]",
)
def up(*, detach: bool, workers: int, nodes: str | None) -> None:
    """Run Kafka, Redis and the workers on this machine.

    Ctrl-C drains the workers and stops all in order; a second one kills. Kafka or Redis is left out
    when SEGUE_KAFKA_BOOTSTRAP or SEGUE_REDIS_URL names one elsewhere.
    """
    given: dict[str, Any] = {"local_kafka_nodes": int(nodes)} if nodes else {}
    settings = load_settings(**given)
    if detach:
        _detach(settings, workers)
        return
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run_stack(settings, workers=workers))


async def run_stack(
    settings: Settings, *, workers: int = 1, command: Sequence[str] = SEGUE_COMMAND
) -> None:
    """Run the stack until a signal ends it: one drains, a second kills.

    `command` starts our command line for the children.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine of asyncio.run is a task"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    stack = LocalStack(settings, roles=(settings.role,), workers=workers, command=command)
    console = Console()
    view = asyncio.create_task(_view(stack, console))
    try:
        async with stack:
            console.print(f"Kafka {stack.endpoints.kafka_bootstrap}   logs {stack.run_dir.log_dir}")
            await stack.supervisor.watch()
    finally:
        view.cancel()
        await asyncio.gather(view, return_exceptions=True)


async def _view(stack: LocalStack, console: Console) -> None:
    """Show the table on a terminal, else a line for each change."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                live.update(status_table(stack.state()), refresh=True)
                await asyncio.sleep(VIEW_INTERVAL_S)
    shown = StackState(None, "down")
    while True:
        now = stack.state()
        for line in changed_lines(shown, now):
            click.echo(line)
        shown = now
        await asyncio.sleep(VIEW_INTERVAL_S)


def _detach(settings: Settings, workers: int) -> None:
    """Start the supervisor in a session of its own and wait until everything is ready."""
    run_dir = RunDirectory(settings.data_dir)
    pid = run_dir.supervisor_pid()
    if pid is not None:
        raise SegueError(
            f"it runs already, supervised by pid {pid}",
            remedy="see `segue status`; `segue down` stops it",
        )
    run_dir.log_dir.mkdir(parents=True, exist_ok=True)
    log_path = run_dir.log_dir / "supervisor.log"
    nodes = ["--nodes", str(settings.local_kafka_nodes)]
    with log_path.open("wb") as log:
        child = subprocess.Popen(
            [*SEGUE_COMMAND, "up", "--workers", str(workers), *nodes],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline_s = time.monotonic() + DETACH_TIMEOUT_S
    state = run_dir.read_state()
    while not state.ready:
        if child.poll() is not None:
            sys.stderr.write(log_path.read_text())
            sys.exit(child.returncode or 1)
        for row in state.failed:
            raise SegueError(
                f"{row.name} does not stay up, the rest runs: {row.detail}",
                remedy=f"see {run_dir.log_dir / row.name}.log; `segue down` stops the rest",
            )
        if time.monotonic() > deadline_s:
            raise Unavailable(
                f"it runs, but was not ready within {DETACH_TIMEOUT_S:.0f} s",
                remedy="see `segue status`",
            )
        time.sleep(VIEW_INTERVAL_S)
        state = run_dir.read_state()
    Console().print(status_table(state))
