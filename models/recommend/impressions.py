"""What was shown of lists: repeats left out, dismissals as statements, acceptance to count."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from models.recommend.arms import Arms
from models.recommend.kernels.conduct import SUSPICION
from models.recommend.kernels.listener import COHORTS
from models.recommend.listeners import ListenerState
from models.recommend.plays import hash64
from schemas.events import Feedback
from schemas.impressions import Impression, ShownEntry
from schemas.outputs import SOURCES, STATED, STRATEGIES

__all__ = ["OTHER", "Explored", "ImpressionWindow", "Shown", "accepted", "dismissals", "explored"]

OTHER: Final = "other"
"""An arm or a source that is none of ours now."""

_KNOWN: Final = {*SOURCES, STATED, *STRATEGIES}


class Shown(NamedTuple):
    """By what entries are counted."""

    arm: str
    kind: str
    source: str
    action: str
    cohort: int


class Explored(NamedTuple):
    """An explored entry that was on a screen, and the cohort of its listener."""

    entry: ShownEntry
    cohort: int


class ImpressionWindow:
    """The last `size` impressions of a partition by 64 bits of their ids: about 1.5 MB.

    In memory only. What outlives a restart is hidden tracks, where a repeat is none by its time;
    what impressions count begins with the worker.
    """

    def __init__(self, size: int = 16_384) -> None:
        self._size = size
        self._ids: set[int] = set()
        # Not the order of a dict: to find its first it looks through the places of all that left.
        self._order: deque[int] = deque()

    def new(self, events: Sequence[Impression]) -> list[bool]:
        """Tell of each event whether its id is not among the last; remember those."""
        return [self._is_new(hash64(f"{event.user_id}\n{event.event_id}")) for event in events]

    def _is_new(self, event: int) -> bool:
        if event in self._ids:
            return False
        self._ids.add(event)
        self._order.append(event)
        if len(self._order) > self._size:
            self._ids.remove(self._order.popleft())
        return True


def dismissals(events: Sequence[Impression]) -> list[Feedback]:
    """What was sent away, as the feedback `hide`: out of both lists for as long as that says."""
    return [
        Feedback(
            event_id=event.event_id,
            user_id=event.user_id,
            kind="hide",
            track_id=entry.track_id,
            at_ms=event.at_ms,
        )
        for event in events
        for entry in event.entries
        if entry.action == "dismissed"
    ]


def accepted(events: Sequence[Impression], arms: Arms) -> Counter[Shown]:
    """Count entries by what happened to them."""
    found: Counter[Shown] = Counter()
    for event in events:
        cell = arms.cell(event.user_id)
        arm = arms.name(cell) if event.arm is None else event.arm
        arm = arm if arm in arms.names else OTHER
        for entry in event.entries:
            source = entry.source if entry.source in _KNOWN else OTHER
            found[Shown(arm, event.kind, source, entry.action, cell % COHORTS)] += 1
    return found


def explored(events: Sequence[Impression], state: ListenerState) -> list[Explored]:
    """The explored entries that were on a screen, which teach the bandit.

    One a list at most, as lists have it; of listeners who are held, and whose plays count: what
    others get is not for bots to say.
    """
    found = []
    for event in events:
        slot = state.slot(event.user_id)
        if event.kind != "discover" or slot is None or _is_held_back(state, slot):
            continue
        cohort = state.arms.cohort(event.user_id)
        entries = (entry for entry in event.entries if entry.source in STRATEGIES)
        found += [Explored(entry, cohort) for entry in entries][:1]
    return found


def _is_held_back(state: ListenerState, slot: int) -> bool:
    return state.limits.hold_suspicious and state.arrays.conduct[slot, SUSPICION] != 0
