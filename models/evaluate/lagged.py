"""A baseline that learns one play after another, as far behind the log as the lists it stands by.

The rule is that of the lists: what others played is known `lag_plays` plays later, what the
listener played is known at once. A model that learns both in one step cannot have it to the letter:
here a play is learned when its lag is over or when its listener plays again, whichever is first. So
a listener is never asked about behind their own plays, and has at most one play that waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["Baseline", "Lagged"]


class Baseline(Protocol):
    """What learns plays and ranks every track for a listener it knows."""

    def learn(self, user: str, track: str) -> None:
        """Learn a play."""
        ...

    def knows(self, user: str) -> bool:
        """Whether a play of this listener was learned."""
        ...

    def rank(self, user: str, track: str, *, without: Iterable[str] = ()) -> int | None:
        """How many tracks, but those left out, stand before this one; None if it is unknown."""
        ...


class Lagged:
    """Feeds a baseline. Plays are numbered by the log, from 0, and come in order."""

    def __init__(self, model: Baseline, *, lag_plays: int) -> None:
        self.model = model
        self._lag_plays = max(lag_plays, 1)
        self._waiting: dict[str, tuple[int, str]] = {}  # by listener, the oldest first

    def catch_up(self, number: int, user: str) -> None:
        """Learn what is known when the play of this number, by this listener, is asked about."""
        waiting = self._waiting
        while waiting:
            oldest = next(iter(waiting))
            if waiting[oldest][0] + self._lag_plays > number:
                break
            self._learn(oldest)
        if user in waiting:
            self._learn(user)

    def add(self, number: int, user: str, track: str) -> None:
        """Let a play wait, after `catch_up` for it."""
        assert user not in self._waiting, "a listener's play was learned before their next"
        self._waiting[user] = number, track

    def _learn(self, user: str) -> None:
        _, track = self._waiting.pop(user)
        self.model.learn(user, track)
