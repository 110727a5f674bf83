"""What producers send in a simulation, made from a seed, and what must come of it.

Each listener's messages are in the order of their times; listeners are mixed at random. Messages
come twice, hold arrays, are not JSON at all, or sit in another partition than their key's. What
must come of it is counted by `models.recommend.reference` over the events as they were made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Literal, get_args

import msgspec

from models.recommend.reference import ReferenceListeners
from schemas.codec import encode_event
from schemas.events import EndReason, Feedback, FeedbackKind, PlayEvent
from schemas.murmur2 import partition_of

__all__ = ["START_MS", "Message", "Traffic", "make_traffic"]

START_MS = 1_700_000_000_000
TRACKS = 12
ARTISTS = (
    ("Björk", "BJÖRK", " björk\t", "Bjo\u0308rk"),
    ("The Knife", "the  knife", "ＴＨＥ knife"),
    ("", " ", None, None),
)
"""Of every third track, under any of these spellings; some say nothing."""
AGAIN_MAX = 5  # how many messages back a producer may repeat itself; far below the dedupe window
END_REASONS: tuple[EndReason, ...] = get_args(EndReason)
KINDS: tuple[FeedbackKind, ...] = get_args(FeedbackKind)

Kind = Literal["plays", "feedback"]


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka message, and how long after the one before it is sent."""

    kind: Kind
    partition: int
    key: bytes
    value: bytes
    pause_s: float


@dataclass(slots=True)
class Traffic:
    """The messages in the order of sending, and the counts that follow from them."""

    messages: list[Message] = field(default_factory=list)
    expected: ReferenceListeners = field(default_factory=ReferenceListeners)
    bad: Counter[bytes] = field(default_factory=Counter)
    users: list[str] = field(default_factory=list)
    unique_plays: int = 0


@dataclass(slots=True)
class _Listener:
    user_id: str
    strays_to: int | None
    now_ms: int
    sent: list[Message] = field(default_factory=list)


def make_traffic(seed: int, *, partitions: int, messages: int, listeners: int) -> Traffic:
    """Return traffic that depends on these arguments alone."""
    random = Random(f"traffic {seed}")
    traffic = Traffic()
    people = []
    for number in range(listeners):
        user = f"listener-{number}"
        own = partition_of(user.encode(), partitions)
        # A few listeners use an app with another partitioner. All of their messages go astray, so
        # that they stay in order: what is forwarded comes after what was not.
        stray = (own + 1) % partitions if number % 4 == 3 else None
        people.append(_Listener(user, stray, START_MS + random.randrange(3_600_000)))
    traffic.users = [person.user_id for person in people]
    for number in range(messages):
        person = random.choice(people)
        pause_s = random.choice([0.0, 0.0, 0.01, 0.05, 0.3])
        roll = random.random()
        if roll < 0.1 and person.sent:
            again = random.choice(_repeatable(person.sent[-AGAIN_MAX:]))
            traffic.messages.append(
                Message(again.kind, again.partition, again.key, again.value, pause_s)
            )
            continue
        kind, value = _content(random, traffic, person, number, roll)
        own = partition_of(person.user_id.encode(), partitions)
        partition = own if person.strays_to is None else person.strays_to
        message = Message(kind, partition, person.user_id.encode(), value, pause_s)
        traffic.messages.append(message)
        if value[:1] in b"[{":
            person.sent.append(message)
    return traffic


def _repeatable(sent: list[Message]) -> list[Message]:
    """Return what may come again. Feedback has no window of ids: only its last word may."""
    plays = [message for message in sent if message.kind == "plays"]
    return plays or sent[-1:]


def _content(
    random: Random, traffic: Traffic, person: _Listener, number: int, roll: float
) -> tuple[Kind, bytes]:
    if roll < 0.15:
        raw = b"not json %d" % number
        traffic.bad[raw] += 1
        return "plays", raw
    if roll < 0.3:
        return "feedback", _feedback(random, traffic, person, number)
    plays = [
        _play(random, person, f"{number}-{part}") for part in range(random.choice([1, 1, 1, 2, 4]))
    ]
    traffic.expected.learn(plays)
    traffic.unique_plays += len(plays)
    return "plays", encode_event(plays[0]) if len(plays) == 1 else msgspec.json.encode(plays)


def _play(random: Random, person: _Listener, name: str) -> PlayEvent:
    person.now_ms += random.choice([1, 200_000, 200_000, 200_000, 2_400_000])
    track = min(random.randrange(TRACKS), random.randrange(TRACKS))
    return PlayEvent(
        event_id=f"play-{name}",
        user_id=person.user_id,
        track_id=f"track-{track}",
        started_at_ms=person.now_ms,
        played_ms=random.choice([1_000, 29_000, 180_000]),
        duration_ms=random.choice([0, 200_000]),
        end_reason=random.choice(END_REASONS),
        session_id=random.choice([None, None, "s1", "s2"]),
        market=random.choice([None, "SE", "BR"]),
        artist=random.choice(ARTISTS[track % len(ARTISTS)]),
    )


def _feedback(random: Random, traffic: Traffic, person: _Listener, number: int) -> bytes:
    person.now_ms += 1
    kind, track = random.choice(KINDS), random.randrange(TRACKS)
    of_artist = kind.endswith("artist") or (kind == "undo" and random.random() < 0.5)
    of = ARTISTS[number % 2] if of_artist else ARTISTS[track % len(ARTISTS)]
    event = Feedback(
        event_id=f"said-{number}",
        user_id=person.user_id,
        kind=kind,
        track_id=None if of_artist else f"track-{track}",
        artist=random.choice(of) if of_artist or kind == "like" else None,
        artists=("Björk", "the knife") if kind == "taste" else (),
        at_ms=person.now_ms,
    )
    traffic.expected.feedback([event])
    return encode_event(event)
