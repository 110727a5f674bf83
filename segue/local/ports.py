"""Ports of this machine's loopback: find free ones, refuse taken ones before anything starts."""

from __future__ import annotations

import random
import socket

from segue.errors import Misconfigured, SegueError

LOOPBACK = "127.0.0.1"
# Below Linux's ephemeral range (32768 and up): no outgoing connection can take the port between
# the moment we choose it and the moment a node binds it, nor while a node restarts.
FIRST_PORT = 20_000
LAST_PORT = 32_767
ATTEMPTS_MAX = 200


def is_free(port: int) -> bool:
    """Tell whether `port` of the loopback can be bound now."""
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free, one that is listened to does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that nothing listens to. Two callers may race: bind it soon.

    Raises SegueError when 200 attempts find none.
    """
    for _ in range(ATTEMPTS_MAX):
        port = random.SystemRandom().randint(FIRST_PORT, LAST_PORT)
        if is_free(port):
            return port
    raise SegueError(f"no free port in {ATTEMPTS_MAX} attempts on {LOOPBACK}")


def require_free(port: int, *, setting: str) -> None:
    """Raise Misconfigured, naming `setting`, when something listens to `port` already."""
    if not is_free(port):
        raise Misconfigured(
            f"port {port} of {LOOPBACK} is taken",
            setting=setting,
            remedy=f"stop what listens there, or set {setting} to another port",
        )
