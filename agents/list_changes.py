"""What leaves for the topic `recommendations`: changed lists, one record a listener and flush."""

from collections.abc import Iterable, Iterator
from weakref import WeakKeyDictionary

import numpy as np

from models.recommend.listeners import ListenerState
from models.recommend.recommender import ServedLists
from schemas.outputs import encode_recommendations

__all__ = ["ListChanges"]


class ListChanges:
    """Notes the lists that are written, keeps each listener's newest, and gives out what changed.

    Lists changed if other tracks are in them, or in another order, than when they were noted last.
    That is told by a hash of 8 bytes a listener, in memory only: after a restart, each listener's
    first lists count as changed. What waits is bounded by the records of a flush, and goes when
    its state does.
    """

    def __init__(self) -> None:
        self._waiting: WeakKeyDictionary[ListenerState, dict[str, bytes | None]] = (
            WeakKeyDictionary()
        )
        self._noted: WeakKeyDictionary[ListenerState, np.ndarray[tuple[int], np.dtype[np.int64]]]
        self._noted = WeakKeyDictionary()

    def note(
        self, state: ListenerState, slot: int, served: ServedLists, raw: tuple[bytes, bytes]
    ) -> None:
        """Note what is written to Redis for a listener: `next` and `discover`. About 2 µs."""
        noted = self._noted.get(state)
        if noted is None:
            noted = self._noted[state] = np.zeros(state.limits.listeners_max, np.int64)
        # The listener is part of it: a slot may have been another's, with the very same lists.
        tracks = hash((served.user_id, *served.next[0], *served.discover[0]))
        if noted[slot] != tracks:
            noted[slot] = tracks
            self._waiting.setdefault(state, {})[served.user_id] = encode_recommendations(*raw)

    def erase(self, state: ListenerState, users: Iterable[str]) -> None:
        """Note that listeners have no lists any more.

        Whatever lists are noted next count as changed: they may be those of before.
        """
        self._noted.pop(state, None)
        self._waiting.setdefault(state, {}).update(dict.fromkeys(users))

    def drain(self, state: ListenerState) -> Iterator[tuple[str, bytes | None]]:
        """Give out each listener whose lists changed since the last call, and the lists.

        None of one who was erased.
        """
        yield from self._waiting.pop(state, {}).items()
