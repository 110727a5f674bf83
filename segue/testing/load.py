"""A steady load on real topics: sessions, duplicates, strays, late plays and rubbish, by seed.

What is sent is not remembered: the log is what counts. Each listener's events go to the log in the
order of their time, so that what must be known does not depend on where batches begin
(`segue.testing.truth`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self
from unicodedata import normalize

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.registry import FEEDBACK, PLAYS
from segue.config import Settings
from segue.testing.rubbish import rubbish
from segue.testing.truth import home_of

__all__ = ["Load", "Message", "PlayStream", "send_all"]

LISTENERS, WANDERERS, CHEATS, CLUSTERS, TRACKS = 300, 12, 4, 20, 40
ARTISTS = 5  # of a cluster: each has eight of its tracks
MARKETS = (None, "DE", "GB", "BR", "JP")
SAID = (
    *("block_track", "unblock_track", "like", "like", "unlike", "hide"),
    *("block_artist", "unblock_artist", "undo", "taste"),
)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
TICK_S = 0.02


class Message(NamedTuple):
    """A record to send."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


@dataclass(slots=True)
class Person:
    """A listener, and the partition that their events are sent to."""

    user: str
    home: int
    via: int
    named: bool
    market: str | None
    clock_ms: int
    session: int = 0
    cluster: int = 0
    left: int = 0
    plays: int = 0
    past: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=20))


class PlayStream:
    """An endless stream of messages; equal seeds give equal streams."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.kinds: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._settings = settings
        self._seed = seed  # part of every id: two streams share tracks, but no listener or event
        self._plays = PLAYS.topic(settings.topic_prefix)
        self._feedback = FEEDBACK.topic(settings.topic_prefix)
        self._sent = [0] * settings.partitions
        # So long ago that no clock of theirs overtakes ours: an array with a play from the future
        # is refused, and a duplicate out of it is then the first, out of the order of times.
        self._start_ms = time.time_ns() // 1_000_000 - 400 * DAY_MS
        self._events = 0
        self._people = [self._person(f"listener-{i}") for i in range(LISTENERS)]
        self._by_home: list[list[Person]] = [[] for _ in range(settings.partitions)]
        for person in self._people:
            self._by_home[person.home].append(person)
        self._wanderers = [self._person(f"wanderer-{i}", astray=True) for i in range(WANDERERS)]
        self._cheats = [self._person(f"cheat-{i}") for i in range(CHEATS)]
        self._resting: deque[tuple[int, Person]] = deque()
        self._kinds: list[tuple[Callable[[], list[Message]], int]] = [
            (self._single, 860),
            (self._duplicate, 40),
            (self._array, 30),
            (self._stray, 20),
            (self._rubbish, 20),
            (self._said, 25),
            (self._traveller, 4),
            (self._late, 4),
            (self._cheated, 40),
        ]

    def __iter__(self) -> Iterator[Message]:
        kinds, weights = zip(*self._kinds, strict=True)
        while True:
            kind = self._random.choices(kinds, weights)[0]
            for message in kind():
                self.kinds[kind.__name__.strip("_")] += 1
                if message.topic == self._plays:
                    self._sent[message.partition] += 1
                yield message

    def singles(self, count: int) -> list[Message]:
        """Return plain plays only: one good event each, in its own partition."""
        return [message for _ in range(count) for message in self._single()]

    def astray(self, count: int) -> list[Message]:
        """Return plays in another partition than their own, alone and in mixed arrays."""
        return [message for _ in range(count) for message in (*self._stray(), *self._array())]

    def spoiled(self) -> tuple[Message, frozenset[str]]:
        """Return a play that must be refused, and the reasons that are right for it."""
        person = self._random.choice(self._people)
        play = self._play_at(person, person.clock_ms)
        value, reasons = rubbish(self._random, play, self._settings.message_bytes_max)
        return Message(self._plays, person.home, person.user.encode(), value), reasons

    def _person(self, user: str, *, astray: bool = False) -> Person:
        user = f"{user}/{self._seed}"
        home = home_of(user, self._settings.partitions)
        via = (home + 1) % self._settings.partitions if astray else home
        named, market = self._random.random() < 0.5, self._random.choice(MARKETS)
        return Person(user, home, via, named, market, self._start_ms)

    def _play(self, person: Person) -> dict[str, Any]:
        """The person's next play; their time goes on."""
        chance = self._random
        if person.left == 0:
            person.clock_ms += 2 * HOUR_MS
            person.session += 1
            person.left = chance.randint(2, 14)
            person.cluster = chance.randrange(CLUSTERS)
        person.left -= 1
        person.clock_ms += chance.randint(MINUTE_MS, 4 * MINUTE_MS)
        play = self._play_at(person, person.clock_ms)
        person.past.append(play)
        return play

    def _play_at(self, person: Person, started_at_ms: int) -> dict[str, Any]:
        chance = self._random
        self._events += 1
        person.plays += 1
        track = int(chance.triangular(0, TRACKS, 0))
        end = chance.choices(("finished", "skipped", "stopped", "error"), (80, 12, 5, 3))[0]
        play: dict[str, Any] = {
            "event_id": f"event-{self._seed}-{self._events}",
            "user_id": person.user,
            "track_id": f"track-{person.cluster}-{track}",
            "started_at_ms": started_at_ms,
            "played_ms": chance.randint(1_000, 60_000) if end == "skipped" else 180_000,
            "duration_ms": chance.choice((0, 40_000, 200_000)),
            "end_reason": end,
        }
        if person.named:
            play["session_id"] = f"{person.user}/{person.session}"
        if person.market is not None:
            play["market"] = person.market
        if chance.random() < 0.8:
            play["artist"] = self._spelling(person.cluster, track % ARTISTS)
        return play

    def _spelling(self, cluster: int, artist: int) -> str | None:
        """One of the ways that apps write an artist's name; a few say nothing."""
        name = f"Bj\u00f6rn \ufb01fth {cluster}-{artist}"
        letters = (name.upper(), name.casefold(), normalize("NFD", name))
        blanks = (f"  {name} ", name.replace(" ", "\t "), f"\u200b{name}\x00")
        return self._random.choice((name, name, name, *letters, *blanks, None, " ", ""))

    def _message(self, person: Person, body: object) -> Message:
        return Message(self._plays, person.via, person.user.encode(), json.dumps(body).encode())

    def _single(self) -> list[Message]:
        person = self._random.choice(self._people)
        return [self._message(person, self._play(person))]

    def _duplicate(self) -> list[Message]:
        person = self._random.choice(self._people + self._wanderers)
        return [self._message(person, self._random.choice(person.past))] if person.past else []

    def _array(self) -> list[Message]:
        """Plays of several listeners in one message, some of them another partition's."""
        first = self._random.choice(self._people)
        others = self._random.sample(self._by_home[first.home], 2)
        wanderers = [w for w in self._wanderers if w.via == first.via]
        astray = self._random.sample(wanderers, min(2, len(wanderers)))
        return [self._message(first, [self._play(person) for person in (first, *others, *astray)])]

    def _cheated(self) -> list[Message]:
        """Somebody who hears 31 seconds of each track, or one track only: soon held back."""
        number = self._random.randrange(CHEATS)
        play = self._play(self._cheats[number])
        if number % 2:
            play |= {"track_id": "track-0-0", "played_ms": 200_000, "duration_ms": 200_000}
            play["artist"] = self._spelling(0, 0)  # the track's own, whoever plays it
        else:
            play |= {"played_ms": 31_000, "duration_ms": 200_000}
        play["end_reason"] = "stopped"
        return [self._message(self._cheats[number], play)]

    def _stray(self) -> list[Message]:
        person = self._random.choice(self._wanderers)
        return [self._message(person, self._play(person))]

    def _rubbish(self) -> list[Message]:
        if self._random.random() < 0.9:
            return [self.spoiled()[0]]
        person = self._random.choice(self._people)
        return [Message(self._feedback, person.home, person.user.encode(), b'{"event_id":1}')]

    def _said(self) -> list[Message]:
        """Something is said of a track or an artist that they hear, or what they like."""
        person, kind = self._random.choice(self._people), self._random.choice(SAID)
        self._events += 1
        said: dict[str, Any] = {
            "event_id": f"said-{self._seed}-{self._events}",
            "user_id": person.user,
            "kind": kind,
            "at_ms": self._start_ms + 1000 * self._events,
        }
        artist = f"Bj\u00f6rn \ufb01fth {person.cluster}-{self._random.randrange(ARTISTS)}"
        if kind == "taste":
            said["artists"], said["genres"] = [artist, f" {artist}", "nobody"], ["Pop"]
        elif kind.endswith("artist") or (kind == "undo" and self._random.random() < 0.5):
            said["artist"] = artist
        else:
            said["track_id"] = f"track-{person.cluster}-{self._random.randrange(5)}"
        body = json.dumps(said).encode()
        return [Message(self._feedback, person.home, person.user.encode(), body)]

    def _traveller(self) -> list[Message]:
        """Somebody plays five tracks and takes off."""
        person = self._person(f"traveller-{self._events}")
        messages = [self._message(person, self._play(person)) for _ in range(5)]
        self._resting.append((self._sent[person.home], person))
        return messages

    def _late(self) -> list[Message]:
        """Somebody lands: plays from hours before come in, too far behind to share a batch."""
        if not self._resting:
            return []
        sent, person = self._resting[0]
        if self._sent[person.home] - sent < 2 * self._settings.batch_records + 500:
            return []
        self._resting.popleft()
        landed_ms = person.clock_ms - self._settings.lateness_ms - HOUR_MS
        plays = [self._play_at(person, landed_ms + i * MINUTE_MS) for i in range(3)]
        return [self._message(person, play) for play in plays]


class Load:
    """Sends a stream at a rate for as long as its block lasts; leaving it flushes.

    What a broker that is away refuses for good is not in the log, and so not missed.
    """

    def __init__(self, settings: Settings, *, seed: int, rate_per_s: int = 1000) -> None:
        self.stream = PlayStream(settings, seed)
        self.sent = 0
        self._rate_per_s = rate_per_s
        self._stop = asyncio.Event()
        self._producer = _producer(settings)

    async def __aenter__(self) -> Self:
        """Begin to send."""
        await self._producer.start()
        self._sending = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop and wait until the broker has it all."""
        self._stop.set()
        try:
            if error is not None:
                self._sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, KafkaError):
                await self._sending
        finally:
            await self._producer.stop()

    async def _run(self) -> None:
        started_s, messages = time.monotonic(), iter(self.stream)
        deliveries: deque[asyncio.Future[Any]] = deque()
        while not self._stop.is_set():
            due = int((time.monotonic() - started_s) * self._rate_per_s)
            for _ in range(min(due - self.sent, self._rate_per_s)):
                topic, partition, key, value = next(messages)
                deliveries.append(
                    await self._producer.send(topic, value, key=key, partition=partition)
                )
                self.sent += 1
            while deliveries and deliveries[0].done():
                deliveries.popleft().exception()
            await asyncio.sleep(TICK_S)
        await asyncio.gather(*deliveries, return_exceptions=True)


async def send_all(settings: Settings, messages: Iterable[Message]) -> list[tuple[str, int, int]]:
    """Send messages as fast as the broker takes them; returns (topic, partition, offset) of each.

    Those of one partition keep their order.
    """
    producer = _producer(settings)
    await producer.start()
    try:
        deliveries = [
            await producer.send(topic, value, key=key, partition=partition)
            for topic, partition, key, value in messages
        ]
        stored = await asyncio.gather(*deliveries)
    finally:
        await producer.stop()
    return [(place.topic, place.partition, place.offset) for place in stored]


# Any: aiokafka publishes no types.
def _producer(settings: Settings) -> Any:
    return AIOKafkaProducer(
        **settings.kafka_client_options(),
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=4_000_000,
        request_timeout_ms=60_000,
    )
