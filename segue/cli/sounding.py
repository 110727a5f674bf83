"""How it goes on with files of sound: a bar on a terminal, once it takes more than a moment."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from segue.clock import Clock, SystemClock

__all__ = ["SoundProgress"]

_SILENT_S: Final = 2.0


class SoundProgress:
    """A context manager around one task of `total` files; None: nobody knows how many.

    Nothing is shown for two seconds, nor if standard error is no terminal.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        *,
        console: Console | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock or SystemClock()
        self._lock, self._ended = Lock(), False
        self._start_s = self._clock.monotonic_s()
        self._files, self._heard_s, self._told_s = 0, 0.0, 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", style="progress.data.speed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            # What is printed meanwhile stands above the bar, if both are on the terminal.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(title, total=total, pace="")
        self._timer = Timer(_SILENT_S, self._begin)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            self._bar.stop()

    @property
    def passed_s(self) -> float:
        """Seconds since it began."""
        return self._clock.monotonic_s() - self._start_s

    @property
    def pace(self) -> str:
        """How much faster than it plays sound was heard so far."""
        heard_s = max(self._heard_s, self._told_s)
        return f"{heard_s / max(self.passed_s, 1e-3):,.0f} × real time"

    def heard(self, seconds: float) -> None:
        """So much more was heard of the file that is at work."""
        self._told_s += seconds
        self._bar.update(self._task, pace=self.pace)

    def done(self, seconds: float) -> None:
        """One more file is done, and lasted so long."""
        self._files += 1
        self._heard_s += seconds
        self._bar.update(self._task, completed=self._files, pace=self.pace)

    def _begin(self) -> None:
        with self._lock:
            if not self._ended:
                self._bar.start()
