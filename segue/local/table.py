"""The status table: a state as rich text, and as lines where there is no terminal."""

from __future__ import annotations

import time

from rich.console import Group
from rich.table import Table
from rich.text import Text

from segue.local.state import ServiceState, StackState

STYLES = {
    "starting": "yellow",
    "running": "green",
    "restarting": "red",
    "failed": "bold red",
    "stopping": "yellow",
    "stopped": "dim",
}


def status_table(state: StackState) -> Group:
    """Return the table of everything that runs, and below it why something is not ready."""
    table = Table(title=f"segue: {state.stage}", title_justify="left", expand=False)
    for heading in ("name", "state", "ready", "pid", "port", "restarts", "uptime"):
        right = heading in ("pid", "port", "restarts", "uptime")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in state.services:
        table.add_row(
            row.name,
            Text(row.condition, style=STYLES[row.condition]),
            Text("yes", style="green") if row.ready else Text("no", style="yellow"),
            str(row.pid or "-"),
            str(row.port),
            str(row.restarts),
            _uptime(row),
        )
    notes = [Text(f"{row.name}: {row.detail}") for row in state.services if row.detail]
    return Group(table, *notes)


def changed_lines(before: StackState, now: StackState) -> list[str]:
    """Return a line for each service whose condition or readiness changed."""
    known = {row.name: (row.condition, row.ready) for row in before.services}
    return [
        f"{row.name}: {row.condition}{', ready' if row.ready else ''}"
        + (f" ({row.detail})" if row.detail else "")
        for row in now.services
        if known.get(row.name) != (row.condition, row.ready)
    ]


def _uptime(row: ServiceState) -> str:
    """Return how long the process has run: 12s, 3m05s, 2h03m."""
    if row.pid is None or row.started_at_ms is None:
        return "-"
    seconds = max(0, int(time.time() - row.started_at_ms / 1000))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds // 60 % 60:02}m"
