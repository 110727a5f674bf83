"""Kafka's partitioner: which partition a key belongs to.

Every producer of a keyed topic must agree on it, Java clients included, so it is written out here
rather than taken from a client library. The hash is Austin Appleby's murmur2 (public domain), 32
bits, with the seed Kafka uses.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

__all__ = ["murmur2", "partition_of", "partition_of_name"]

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_NAMES_REMEMBERED: Final = 1 << 18


def murmur2(data: bytes) -> int:
    """The 32 bit hash, unsigned. O(length): a few microseconds for an id, so keep the result.

    >>> murmur2(b"listener-1")
    3726511017
    """
    length = len(data)
    words = length >> 2
    h = _SEED ^ length
    for word in struct.unpack_from(f"<{words}I", data):
        k = word * _M & _MASK
        h = (h * _M ^ (k ^ k >> 24) * _M) & _MASK
    if length & 3:
        h = (h ^ int.from_bytes(data[words << 2 :], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives `key`; `partitions` is at least 1."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


@lru_cache(maxsize=_NAMES_REMEMBERED)
def partition_of_name(name: str, partitions: int) -> int:
    """`partition_of` a name's bytes, remembered for the names used last."""
    return partition_of(name.encode(), partitions)
