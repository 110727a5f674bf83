"""Short ways to say what stage A is given, and what it sends, for its unit tests."""

from __future__ import annotations

from typing import Any

from models.recommend import OUTCOMES, ListenerLimits, ListenerState, Vocabulary
from schemas.events import Feedback, FeedbackKind, PlayEvent

__all__ = ["MINUTE", "T0", "forward", "outcomes", "play", "said", "state", "weights"]

T0 = 1_700_000_000_000
MINUTE = 60_000


def play(track: str, at_ms: int = T0, **fields: Any) -> PlayEvent:  # Any: fields of the event
    """Return a finished play of ann, three minutes long; `fields` say what differs."""
    values: dict[str, Any] = {
        "event_id": f"{track}@{at_ms}",
        "user_id": "ann",
        "played_ms": 200_000,
        "duration_ms": 200_000,
        "end_reason": "finished",
    }
    return PlayEvent(track_id=track, started_at_ms=at_ms, **(values | fields))


def said(
    kind: FeedbackKind,
    track: str | None = None,
    user: str = "ann",
    *,
    at_ms: int = T0,
    **fields: Any,  # of the event
) -> Feedback:
    """Return feedback of ann on a track, or on what `fields` say."""
    return Feedback(event_id="f", user_id=user, kind=kind, track_id=track, at_ms=at_ms, **fields)


def state(**limits: Any) -> ListenerState:  # Any: limits of several types
    """Return an empty state."""
    return ListenerState(Vocabulary(), ListenerLimits(**limits))


def outcomes(listeners: ListenerState, *plays: PlayEvent) -> list[str]:
    """Learn plays; return what became of each."""
    return [OUTCOMES[code] for code in listeners.learn(plays).outcomes]


def weights(listeners: ListenerState) -> dict[tuple[str, str], int]:
    """Return pair weights, and plays as weight of a track on itself."""
    found: dict[tuple[str, str], int] = {}
    for frame in listeners.drain_pairs(lambda _: 0).values():
        names = frame.names
        for left, right, weight in zip(frame.left, frame.right, frame.weight, strict=True):
            pair = names[left], names[right]
            found[pair] = found.get(pair, 0) + int(weight)
        for track, count in zip(frame.play_track, frame.play_count, strict=True):
            found[names[track], names[track]] = int(count)
    return found


def forward(listeners: ListenerState) -> dict[tuple[str, str], dict[int, int]]:
    """Return weights by pair, and by whether the right one came after the left one."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for frame in listeners.drain_pairs(lambda _: 0).values():
        columns = (frame.left, frame.right, frame.forward, frame.weight)
        for left, right, ahead, weight in zip(*columns, strict=True):
            parts = found.setdefault((frame.names[left], frame.names[right]), {})
            assert ahead not in parts, "summed: each pair and direction once"
            parts[int(ahead)] = int(weight)
    return found
