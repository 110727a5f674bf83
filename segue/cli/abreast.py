"""Work on many files at once, in processes, with results in the order of the files.

Processes, because threads gain little: two thirds of matching hold the interpreter. They are
spawned, not forked: the libraries that decode and compute have threads of their own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, Final, Protocol, TypeVar

from segue.errors import SegueError

__all__ = ["Makes", "cores", "in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")
_Given_contra = TypeVar("_Given_contra", contravariant=True)
_Made_co = TypeVar("_Made_co", covariant=True)
Heard = Callable[[float], None]
"""Is told seconds of sound as they are heard."""

_AHEAD: Final = 4  # files for each process that are on their way, or wait for one before them
_PATIENCE_S: Final = 0.2
_BLAS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Makes(Protocol[_Given_contra, _Made_co]):
    """Makes ready what does the work, once in each process; must be picklable."""

    def __call__(self, heard: Heard) -> Callable[[_Given_contra], _Made_co]:
        """What turns an item into its result."""
        ...


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    items: Iterable[Item], makes: Makes[Item, Result], *, workers: int, heard: Heard
) -> Iterator[Result]:
    """Results of items in their order, each as soon as it and those before it are known.

    Items are taken as there is room, at most four a worker ahead, so that they may be endless.
    One worker is this process; then `heard` is told how it goes on within a file.
    """
    if workers == 1:
        yield from map(makes(heard), items)
        return
    for name in _BLAS:
        os.environ.setdefault(name, "1")  # each process is to use one core
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (makes,))
    queue: Queue[Future[Result] | BaseException | None] = Queue(_AHEAD * workers)
    ended = Event()
    # A daemon: whoever waits for the next line of a list cannot be told to stop.
    Thread(target=_feed, args=(items, pool, queue, ended), daemon=True).start()
    try:
        while (future := queue.get()) is not None:
            if isinstance(future, BaseException):
                raise future
            yield future.result()
    except BrokenProcessPool as error:
        raise SegueError(
            "a worker process died, by lack of memory or by a file that breaks the decoder",
            remedy="try the files after the last that was told with --workers 1",
        ) from error
    finally:
        ended.set()
        pool.shutdown(cancel_futures=True)


def _feed(
    items: Iterable[Item],
    pool: ProcessPoolExecutor,
    queue: Queue[Future[Any] | BaseException | None],  # Any: of whatever the work gives
    ended: Event,
) -> None:
    last: BaseException | None = None
    try:
        for item in items:
            if ended.is_set() or not _put(queue, pool.submit(_do, item), ended):
                return
    except BaseException as error:  # noqa: BLE001  # raised again by whoever takes the results
        last = error
    _put(queue, last, ended)
    if last is not None:
        _put(queue, None, ended)


def _put(queue: Queue[Any], what: object, ended: Event) -> bool:  # Any: what `_feed` has
    """Wait for room, unless nobody takes anything any more."""
    while not ended.is_set():
        try:
            queue.put(what, timeout=_PATIENCE_S)
        except Full:
            continue
        return True
    return False


_work: Callable[[Any], Any] | None = None  # of this process; Any: whatever `in_order` was given


def _begin(makes: Makes[Any, Any]) -> None:  # Any: as above
    global _work  # noqa: PLW0603  # what a process is for
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupted worker says nothing
    _work = makes(_ignore)


def _do(item: Any) -> Any:  # Any: as above
    assert _work is not None, "a process begins before it works"
    return _work(item)


def _ignore(_: float) -> None:
    pass
