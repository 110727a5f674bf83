"""Redis connections that pack commands in C.

redis-py packs an asyncio command's arguments one by one in Python: about 2 µs for each key and
value of a batch, as much as making the list it holds.
"""

from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection

__all__ = ["connect"]


class _Packed(Connection):
    def pack_command(self, *args: Any) -> list[bytes]:
        # A command of several words, such as SCRIPT LOAD, is several arguments on the wire.
        return [hiredis.pack_command((*args[0].split(), *args[1:]))]


class _PackedTls(SSLConnection, _Packed):
    pass


def connect(url: str) -> Redis:
    """Return a client for `url` (redis:// or rediss://). Nothing connects before it is used."""
    client = Redis.from_url(url, protocol=2)
    pool = client.connection_pool
    if pool.connection_class is Connection:
        pool.connection_class = _Packed
    elif pool.connection_class is SSLConnection:
        pool.connection_class = _PackedTls
    return client
