"""Redis in memory: the handful of commands that `RedisSink` sends, and its two scripts.

Its scripts are Python with the rules of the Lua ones; a test holds both to the same answers. It can
be away (every command raises) and lose its data. Keys do not expire, but their lives are kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError

from streams.sinks.redis import LOST, REFUSED, SWAP_SCRIPT, WRITE_SCRIPT

__all__ = ["MemoryRedis"]


class _Script(Protocol):
    def __call__(self, *, keys: Sequence[str], args: Sequence[Any]) -> Awaitable[Any]: ...


async def _at_once(_: str) -> None:
    """Take no time."""


class MemoryRedis:
    """A client and the server behind it. `point(name)` is awaited before and after each command."""

    def __init__(self, point: Callable[[str], Awaitable[None]] = _at_once) -> None:
        self.point = point
        self.data: dict[str, bytes] = {}
        self.ttl_s: dict[str, int] = {}
        self.away = False

    def lose(self) -> None:
        """Forget everything, as a restart without its files does."""
        self.data.clear()
        self.ttl_s.clear()

    def register_script(self, script: str) -> _Script:
        """Return the double of one of the sink's scripts. Raises KeyError for any other."""
        return {WRITE_SCRIPT: self._write, SWAP_SCRIPT: self._swap}[script]

    async def get(self, key: str) -> bytes | None:
        """GET."""
        await self._reach("redis-get")
        return self.data.get(key)

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """MGET."""
        await self._reach("redis-get")
        return [self.data.get(key) for key in keys]

    async def set(self, key: str, value: str | bytes, *, ex: int | None = None) -> bool:
        """SET, with EX if given."""
        await self._reach("redis-set")
        self._put(key, _raw(value), ex)
        return True

    async def delete(self, *keys: str) -> int:
        """DEL."""
        await self._reach("redis-set")
        return sum(self.data.pop(key, None) is not None for key in keys)

    async def _write(self, *, keys: Sequence[str], args: Sequence[Any]) -> list[int]:
        await self._reach("redis-write")
        answers = []
        while keys:
            count = args[0]
            answers.append(self._write_part(keys[: 2 + count], args[1 : 4 + count]))
            keys, args = keys[2 + count :], args[4 + count :]
        await self.point("redis-written")
        return answers

    def _write_part(self, keys: Sequence[str], args: Sequence[Any]) -> int:
        wanted, version, ttl_s, *values = args
        epoch, newest, *names = keys
        if wanted and self.data.get(epoch) != _raw(wanted):
            return LOST
        if self.data.get(newest, b"") > _raw(version):
            return REFUSED
        self._put(newest, _raw(version), None)
        for key, value in zip(names, map(_raw, values), strict=True):
            if value:
                self._put(key, value, ttl_s)
            else:
                self.data.pop(key, None)
        return 0

    async def _swap(self, *, keys: Sequence[str], args: Sequence[Any]) -> int:
        await self._reach("redis-set")
        (key,), (expected, wanted) = keys, args
        if self.data.get(key) != _raw(expected):
            return 0
        self._put(key, _raw(wanted), None)
        return 1

    def _put(self, key: str, value: bytes, ttl_s: int | None) -> None:
        self.data[key] = value
        self.ttl_s.pop(key, None)
        if ttl_s is not None:
            self.ttl_s[key] = ttl_s

    async def _reach(self, command: str) -> None:
        await self.point(command)
        if self.away:
            raise RedisConnectionError("away")


def _raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
