"""A TCP proxy on the loopback that a test can slow down, stop and cut.

async with TcpProxy(redis.port) as proxy:
    proxy.delay_s = 0.2      # every answer comes 0.2 s later
    proxy.stall()            # connections stay open, nothing passes
    proxy.flow()             # it passes again
    await proxy.cut()        # connections end, new ones end at once
    proxy.mend()             # new ones are served again
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["TcpProxy"]

CHUNK_BYTES = 65_536
LOOPBACK = "127.0.0.1"


class TcpProxy:
    """Passes bytes between clients and `target_port`, both on the loopback. For one event loop."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.delay_s = 0.0
        """How much later each answer arrives."""
        self.connections = 0
        """How many connections were made so far, refused ones included."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that clients connect to, while the proxy runs."""
        assert self._server is not None, "the proxy runs"
        return int(self._server.sockets[0].getsockname()[1])

    def stall(self) -> None:
        """Let nothing pass any more; connections stay open."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let it pass again, what was held back first."""
        self._flowing.set()

    async def cut(self) -> None:
        """End all connections, and each new one as soon as it is made. May be called twice."""
        self._is_cut = True
        await self._end_all()

    def mend(self) -> None:
        """Serve new connections again."""
        self._is_cut = False

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and end all connections."""
        assert self._server is not None, "entered before"
        self._server.close()
        await self._end_all()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "start_server runs this in a task"
        self.connections += 1
        self._open.add(task)
        try:
            if not self._is_cut:
                await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            if not self._is_cut and self._server is not None and self._server.is_serving():
                raise  # not ours: the loop is going down
        finally:
            self._open.discard(task)
            await _close(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            return  # the target is away: so are we
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, target_writer, answers=False))
                both.create_task(self._pump(target_reader, writer, answers=True))
        finally:
            await _close(target_writer)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        """Copy one direction until either side ends, then end the other."""
        with suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                if answers and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flowing.wait()
                sink.write(chunk)
                await sink.drain()
        sink.close()

    async def _end_all(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
