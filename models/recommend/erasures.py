"""Who was erased, and when: by a one-way hash, so that nothing older comes back.

Plays and feedback of an erased listener stand in their topics until these forget them: a replay, a
phone that was offline, or an operator's requeue would bring them back. So the hash of the user id
is kept with the time of the erasure, and what is older is refused. The hash is keyed: without the
key nobody finds out from it whether a listener they know was erased.

A record is one per hash in the changelog of listeners; key: `ERASURE_MARK` and the hash; value,
little-endian: format version u8, when the erasure was asked for i64, until when it refuses i64.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Final, NamedTuple

from models.recommend.changing import Records
from models.recommend.listener_memory import ListenerLimits

__all__ = ["ERASURE_MARK", "Erasures", "new_erasures"]

ERASURE_MARK: Final = b"\x01erased\x00"
"""What the key of a record begins with; user ids hold no control characters."""

_VERSION: Final = 1
_RECORD: Final = struct.Struct("<Bqq")
_HASH_BYTES: Final = 16
_KEY_BYTES_MAX: Final = 64
_NEVER: Final = 0


class _Erasure(NamedTuple):
    asked_ms: int
    until_ms: int


class Erasures:
    """The erasures of one partition, at most `limit`: the oldest gives way.

    One older than `memory_ms`, by the time of the requests, is dropped when the next is noted. An
    erasure takes about 200 bytes.

    >>> erasures = Erasures(limit=10, memory_ms=1000)
    >>> erasures.note("ann", 500, 700)
    True
    >>> erasures.until_ms("ann"), erasures.until_ms("bob"), erasures.note("ann", 500, 500)
    (700, 0, False)
    """

    def __init__(self, *, limit: int, memory_ms: int, key: bytes = b"") -> None:
        self._limit, self._memory_ms = limit, memory_ms
        self._key = key if len(key) <= _KEY_BYTES_MAX else blake2b(key).digest()
        self._held: dict[bytes, _Erasure] = {}  # noted longest ago first
        self._changed: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._held)

    def until_ms(self, user_id: str) -> int:
        """Until when everything of a listener is refused; 0 if they were not erased."""
        if not self._held:
            return _NEVER
        found = self._held.get(self._hash(user_id))
        return _NEVER if found is None else found.until_ms

    def note(self, user_id: str, asked_ms: int, until_ms: int) -> bool:
        """Note an erasure. False if it was asked for no later than one that is held: done before.

        `until_ms` is when the newest of what is erased happened, by the clock of its sender.
        """
        name = self._hash(user_id)
        held = self._held.get(name, _Erasure(_NEVER, _NEVER))
        if asked_ms <= held.asked_ms:
            return False
        self._put(name, _Erasure(asked_ms, max(asked_ms, until_ms, held.until_ms)))
        while len(self._held) > self._limit or self._oldest_ms() < asked_ms - self._memory_ms:
            oldest = next(iter(self._held))
            del self._held[oldest]
            self._changed[oldest] = None
        return True

    def changes(self) -> Records:
        """Drain the records changed since the last call."""
        changed = [
            (ERASURE_MARK + name, None if held is None else _RECORD.pack(_VERSION, *held))
            for name, held in ((name, self._held.get(name)) for name in self._changed)
        ]
        self._changed = {}
        return changed

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set a record of `changes`. Raises ValueError on bytes it cannot read."""
        name = key.removeprefix(ERASURE_MARK)
        self._held.pop(name, None)
        if value is None:
            return
        if len(value) != _RECORD.size or value[0] != _VERSION:
            raise ValueError("not a record of an erasure of a version that this code reads")
        _, asked_ms, until_ms = _RECORD.unpack(value)
        self._held[name] = _Erasure(asked_ms, until_ms)

    def _put(self, name: bytes, erasure: _Erasure) -> None:
        for noted in (self._held, self._changed):  # the order is that of the last time
            noted.pop(name, None)
        self._held[name] = erasure
        self._changed[name] = None

    def _oldest_ms(self) -> int:
        return next(iter(self._held.values())).asked_ms

    def _hash(self, user_id: str) -> bytes:
        return blake2b(user_id.encode(), key=self._key, digest_size=_HASH_BYTES).digest()


def new_erasures(limits: ListenerLimits) -> Erasures:
    """Nobody erased yet."""
    memory_ms, key = limits.erasure_memory_ms, limits.erasure_key
    return Erasures(limit=limits.erasures_max, memory_ms=memory_ms, key=key)
