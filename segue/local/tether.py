"""Run a command that dies with the process that started it.

`python tether.py PARENT_PID COMMAND...` asks the kernel for SIGKILL on the parent's death, then
becomes COMMAND (same pid). It stands alone and imports nothing of ours, so that it costs some
10 ms. A wrapper rather than `preexec_fn`, which is unsafe in a process with threads. The kernel
ties the request to the *thread* that started us: start children from a thread that lives as long
as they shall. Elsewhere than on Linux it only becomes COMMAND: there `segue down` clears what a
killed supervisor left, by its pid files.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Tie this process to parent `argv[0]`, then become `argv[1:]`. Exit 127: no such command."""
    parent_pid, command = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it died before the request was made
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 (a list of arguments; no shell is wanted)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
