"""The errors of Segue: one tree, in which the class says what to do.

    SegueError                 anything Segue raises on purpose; carries a remedy
    ├── Misconfigured          stop at start-up and name the setting
    ├── Unavailable            something outside does not answer: pause and retry
    │   └── Fenced             this task lost its partition: drop its work, another owner has it
    └── Bug                    our own state is not what must be true: crash, restart recovers

A message that cannot be read is *not* an error: it is a value, `schemas.codec.Rejected`, and
becomes a dead letter. Every error carries its data as attributes, a message that says what and
where, and a remedy that says what to do next. The command line prints `segue: MESSAGE` and the
remedy.
"""

from __future__ import annotations

__all__ = ["Bug", "Fenced", "Misconfigured", "SegueError", "Unavailable"]


class SegueError(Exception):
    """The root of the tree. `remedy` says what a person can do about it; it may be empty."""

    exit_code: int = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message


class Misconfigured(SegueError):
    """A setting or argument is wrong. Raised at start-up only; never retried.

    `setting` is the name as the person writes it, for example `SEGUE_KAFKA_BOOTSTRAP`.
    """

    exit_code = 2

    def __init__(self, message: str, *, setting: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.setting = setting


class Unavailable(SegueError):
    """Kafka, Redis or another thing outside does not answer. The caller pauses and retries.

    `what` names it, for example `redis` or `kafka`.
    """

    def __init__(self, message: str, *, what: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.what = what


class Fenced(Unavailable):
    """The task's producer was fenced: its partition belongs to another worker now.

    Its unit of work must be thrown away; nothing of it was committed. Retrying is useless.
    """


class Bug(SegueError):
    """Something that must be true is not. Never caught: the worker stops, and restart recovers."""
