"""An event loop whose time passes only when nothing else is left to do.

A simulation of minutes runs in seconds, and twice the same: order comes from the program and its
seed alone. What is given to another thread is a step of the loop like others. For code without
sockets or files that are waited for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["Deadlock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Nothing will ever happen again: every task waits for another one."""


class _Selector(selectors.DefaultSelector):
    """Where the loop would sleep, its time is moved instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return at once, `timeout` seconds later by the loop's time."""
        if timeout is None:
            raise Deadlock("every task waits for another one")
        self.loop.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `now_s` is its time, which starts at 0."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now_s = 0.0
        self.unhandled: list[dict[str, Any]] = []
        super().__init__(selector)

    def time(self) -> float:
        """Return seconds since the start."""
        return self.now_s

    # Any: whatever the function takes and returns
    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it later, in a step of its own."""
        done = self.create_future()

        def step() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  # who waits for it raises it
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self.call_soon(step)
        return done

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        """Keep what nobody awaited; `run_virtual` raises it."""
        self.unhandled.append(dict(context))


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a loop of its own. Raises what it raises, and `Deadlock`.

    An error in a task that nobody awaited is raised too: it would be lost in a real program.
    """
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
    for context in loop.unhandled:
        error = context.get("exception")
        raise error if isinstance(error, BaseException) else RuntimeError(str(context))
    return result
