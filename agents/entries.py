"""Records of a compacted topic that every worker reads: decoded, and set or deleted in order."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from schemas.codec import Rejected
from streams.broadcast import Bad

__all__ = ["apply_entries"]

E = TypeVar("E")


def apply_entries(
    records: tuple[Sequence[bytes], Sequence[bytes | None]],
    *,
    decode: Callable[[bytes, bytes], E | Rejected],
    put: Callable[[Sequence[E]], None],
    delete: Callable[[Sequence[str]], None],
) -> list[Bad]:
    """Put entries and delete keys, as many at once as follow each other; returns what is bad."""
    bad: list[Bad] = []
    entries: list[E] = []
    for index, (key, value) in enumerate(zip(*records, strict=True)):
        if value is None:
            put(entries)
            entries.clear()
            delete([key.decode(errors="replace")])
            continue
        found = decode(key, value)
        if isinstance(found, Rejected):
            bad.append((index, f"{found.reason}: {found.detail}"))
        else:
            entries.append(found)
    put(entries)
    return bad
