"""Experiment arms: by which rules a listener's lists are made.

An arm follows from a hash of the listener alone, so it is the same on every worker and after every
restart. Names are those of `segue replay --arms`, but for what can only be compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import numpy as np

from models.evaluate.scores import ARMS, DEFAULT, POPULAR, REPLAY_ARMS, WITHOUT
from models.recommend.changing import Records
from models.recommend.kernels.listener import COHORTS
from models.recommend.kernels.ranking import ArmRankers, Ranker
from models.recommend.kernels.scene import EVERYTHING, NOTHING
from models.recommend.rankers import RANKER_KEY, decode_ranker, encode_ranker, new_ranker
from schemas.outputs import SOURCES

__all__ = ["WHOLE", "Arms", "Rankers"]

WHOLE: Final = 10_000
"""What the shares of all arms sum to: a share is in hundredths of a percent."""


class Arms:
    """The arms of an experiment and their shares of the listeners, in hundredths of a percent.

    Raises ValueError on names that are no arms, and on shares that are not positive or do not sum
    to `WHOLE`. Another `salt` draws the listeners anew.

    >>> arms = Arms({"default": 9_000, "without-artist": 1_000})
    >>> [arms.name(arms.cell(user)) for user in ("ann", "bob", "cid", "ida")]
    ['default', 'default', 'without-artist', 'default']
    """

    def __init__(self, shares: Mapping[str, int] | None = None, *, salt: str = "") -> None:
        shares = shares or {DEFAULT: WHOLE}
        if unserved := [name for name in shares if name in REPLAY_ARMS and name not in ARMS]:
            raise ValueError(
                f"{unserved[0]} is for `segue replay` only: no lists are served by it; there are "
                f"{', '.join(ARMS)}"
            )
        if unknown := [name for name in shares if name not in ARMS]:
            raise ValueError(f"no arm is called {unknown[0]!r}; there are {', '.join(ARMS)}")
        if min(shares.values()) <= 0 or sum(shares.values()) != WHOLE:
            raise ValueError(f"shares are positive and sum to {WHOLE}")
        self.names = tuple(shares)
        self.left_out = np.array([_left_out(name) for name in shares], np.int64)
        self._salt = salt
        self._ends = np.cumsum([*shares.values()])

    def __len__(self) -> int:
        return len(self.names)

    def cell(self, user_id: str) -> int:
        """The arm of a listener and their cohort in it, in one number: arm x COHORTS + cohort.

        Cohorts are drawn evenly, so that how far they differ says how much of a difference between
        arms is chance.
        """
        text = f"{self._salt}\n{user_id}".encode()  # ids hold no control characters
        drawn = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
        cohort, place = divmod(drawn, WHOLE)
        arm = 0 if len(self.names) == 1 else int(np.searchsorted(self._ends, place, side="right"))
        return COHORTS * arm + cohort % COHORTS

    def cohort(self, user_id: str) -> int:
        """The cohort of a listener in their arm."""
        return self.cell(user_id) % COHORTS

    def name(self, cell: int) -> str:
        """The arm of a cell."""
        return self.names[cell // COHORTS]


class Rankers:
    """Both rankers of each arm, in arrays that compiled code walks through."""

    def __init__(self, arms: Arms) -> None:
        each = [new_ranker() for _ in arms.names]
        stacked = [np.stack(column) for column in zip(*each, strict=True)]
        self.stacked = ArmRankers(arms.left_out, *stacked)
        """Those of all arms, in place, for training."""
        self._keys = [_ranker_key(name) for name in arms.names]
        self._saved = dict.fromkeys(self._keys, 0)

    @property
    def of_arm(self) -> list[Ranker]:
        """Those of each arm, in place."""
        # Not kept: a copy of this object would have copies of them apart from `stacked`.
        _, *columns = self.stacked
        return [Ranker(*(column[a] for column in columns)) for a in range(len(self._keys))]

    @property
    def _by_key(self) -> dict[bytes, Ranker]:
        return dict(zip(self._keys, self.of_arm, strict=True))

    def changes(self) -> Records:
        """Drain the records of those that were trained since the last call."""
        records: Records = []
        for key, ranker in self._by_key.items():
            trained = int(ranker.trained.sum())
            if trained != self._saved[key]:
                self._saved[key] = trained
                records.append((key, encode_ranker(ranker)))
        return records

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set those of a key to a record. An arm that is none now keeps its record where it is.

        Raises ValueError on bytes that cannot be read.
        """
        restored = (decode_ranker(value) if value else None) or new_ranker()
        ranker = self._by_key.get(key)
        if ranker is not None:
            for column, values in zip(ranker, restored, strict=True):
                column[:] = values
            self._saved[key] = int(restored.trained.sum())


def _left_out(name: str) -> int:
    """What the lists of an arm are made without."""
    if name == POPULAR:
        return EVERYTHING
    if name == DEFAULT:
        return NOTHING
    return [WITHOUT + source for source in SOURCES].index(name)


def _ranker_key(name: str) -> bytes:
    return RANKER_KEY if name == DEFAULT else RANKER_KEY + b":" + name.encode()
