"""Pid files that cannot name a stranger: each holds the pid and that process's start time.

Pids are used again. A file left by a crash names a process only if the start time still agrees.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def started_at(pid: int) -> str | None:
    """Return an opaque text that is the same for a process's whole life, None if it is gone.

    A zombie (ended, not yet reaped by its parent) counts as gone.
    """
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    ps = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 (a system's own, wherever it lies)
        capture_output=True,
        text=True,
        check=False,
    )
    return ps.stdout.strip() or None


def write(path: Path, pid: int) -> None:
    """Write `pid` and its start time to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(f"{pid} {started_at(pid) or ''}\n")
    part.replace(path)


def read(path: Path) -> int | None:
    """Return the pid that `path` names if that very process still runs, else None."""
    try:
        pid_text, _, started = path.read_text().strip().partition(" ")
        pid = int(pid_text)
    except (FileNotFoundError, ValueError):
        return None
    return pid if started and started_at(pid) == started else None
