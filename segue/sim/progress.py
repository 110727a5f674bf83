"""Progress of something that takes a while: a bar on a terminal, a line a second elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from segue.clock import Clock

__all__ = ["FeedProgress"]

LINE_INTERVAL_S: Final = 1.0
_SPEED_WINDOW_S: Final = 5.0


class FeedProgress:
    """A context manager around one task with a known or unknown (None) total.

    `update` takes what is done in all and is cheap enough to be called 50 times a second.
    """

    def __init__(
        self, console: Console, clock: Clock, *, title: str, total: int | None, done: int = 0
    ) -> None:
        self._console = console
        self._clock = clock
        self._title = title
        self._total = total
        self._done = self._printed = self._first = done
        self._start_s = self._line_s = clock.monotonic_s()
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _RateColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                speed_estimate_period=_SPEED_WINDOW_S,
            )
            self._task = self._bar.add_task(title, total=total, completed=done)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._done != self._first:
            self._print(f"{self._counted()}, {self.rate_per_s:,.0f}/s on average")

    @property
    def rate_per_s(self) -> float:
        """The average over the whole task."""
        passed_s = self._clock.monotonic_s() - self._start_s
        return (self._done - self._first) / passed_s if passed_s > 0 else 0.0

    def update(self, done: int) -> None:
        """Show that `done` of the total are done."""
        self._done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif self._clock.monotonic_s() - self._line_s >= LINE_INTERVAL_S:
            self._print_line()

    def _print_line(self) -> None:
        now_s = self._clock.monotonic_s()
        passed_s = max(now_s - self._line_s, 1e-9)
        rate = (self._done - self._printed) / passed_s
        self._line_s, self._printed = now_s, self._done
        text = f"{self._counted()}, {rate:,.0f}/s"
        if self._total is not None and rate > 0:
            text += f", {(self._total - self._done) / rate:.0f} s left"
        self._print(text)

    def _counted(self) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        return f"{self._title}: {self._done:,}{of}"

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class _RateColumn(ProgressColumn):
    """Plays or rows per second."""

    def render(self, task: Task) -> Text:
        """The speed of the last seconds."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")
