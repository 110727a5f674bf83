"""`decode` in a thread of its own, which takes turns with the one that brings it bytes.

FFmpeg asks for bytes and waits until it has them. So it works in a thread, until it wants a byte
that is not there yet; then it says so, and the other thread works. Never both at once: what comes
of some bytes depends on them alone.
"""

from __future__ import annotations

import threading
import weakref
from queue import SimpleQueue
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE, DecodingLimits, decode

__all__ = ["DecodingThread", "Wants"]

Wants = int | BaseException | None
"""What the thread waits for: some bytes, or 0 to go on; the error or None with which it ended."""

_AT_ONCE: Final = SAMPLE_RATE
"""Samples that are said together: a second's, so that few turns are taken."""


class DecodingThread:
    """The thread as the other one sees it. It ends with `decode`, by `stop`, or when dropped."""

    def __init__(self, limits: DecodingLimits, container: str | None) -> None:
        self._pipe = _Pipe()
        # A daemon: one that waits for bytes must not keep the interpreter from its end.
        thread = threading.Thread(
            target=_work, args=(self._pipe, limits, container), name="decode", daemon=True
        )
        thread.start()
        self._stop = weakref.finalize(self, _stop, self._pipe, thread)

    def turn(self, data: bytes) -> tuple[NDArray[np.float32], Wants]:
        """Give it what it wants, no more bytes than that; none is the end of the file.

        Blocks while it works, and returns its samples and what it wants next. RuntimeError: it has
        ended.
        """
        if not self._stop.alive:
            raise RuntimeError("the decoding thread has ended")
        try:
            self._pipe.given.put(data)
            said = self._pipe.said.get()
        except BaseException:  # an interrupt: whose turn it is would be lost
            self.stop()
            raise
        if not isinstance(said[1], int):
            self.stop()
        return said

    def stop(self) -> None:
        """End it and wait until it has ended; it may be called twice."""
        self._stop()


class _Pipe:
    """The file that FFmpeg reads, and what the two threads say to each other.

    It has no `seek`, by which FFmpeg knows that it can only read on. Of the kinds of queue only a
    SimpleQueue may be put into by a finalizer, which can run in the midst of anything.
    """

    def __init__(self) -> None:
        self.given: SimpleQueue[bytes | None] = SimpleQueue()  # None: stop
        self.said: SimpleQueue[tuple[NDArray[np.float32], Wants]] = SimpleQueue()
        self.stopped = False
        self._made: list[NDArray[np.float32]] = []
        self._count = 0

    def read(self, size: int, /) -> bytes:
        """1 to `size` bytes, or none: the file ends. Blocks until there are some."""
        return self._turn(size)

    def put(self, samples: NDArray[np.float32]) -> None:
        """Keep samples for the next turn, which is now if they are many."""
        self._made.append(samples)
        self._count += len(samples)
        if self._count >= _AT_ONCE:
            self._turn(0)

    def say(self, wants: Wants) -> None:
        """Hand over what was made, and what is wanted."""
        made = np.concatenate([np.zeros(0, np.float32), *self._made])
        self._made, self._count = [], 0
        self.said.put((made, wants))

    def wait(self) -> bytes:
        """What the other thread gives; none for ever, once it said stop."""
        given = None if self.stopped else self.given.get()
        self.stopped = given is None
        return given or b""

    def _turn(self, wants: int) -> bytes:
        if not self.stopped:
            self.say(wants)
        return self.wait()


def _work(pipe: _Pipe, limits: DecodingLimits, container: str | None) -> None:
    pipe.wait()
    try:
        for samples in decode(pipe, limits, container=container):
            pipe.put(samples)
            if pipe.stopped:
                return
    except BaseException as error:  # noqa: BLE001 - the other thread raises it
        pipe.say(error)
    else:
        pipe.say(None)


def _stop(pipe: _Pipe, thread: threading.Thread) -> None:
    pipe.given.put(None)
    if thread is not threading.current_thread():  # where the garbage collector may run too
        thread.join()
