"""Raw records become events that belong to this partition, in the order of their time.

Bad bytes become dead letters of the same unit. An event whose key belongs to another partition
(a producer with another partitioner, an array of mixed keys) is forwarded there within the
same transaction. Duplicates are the state's business: it knows the listener's last event ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from schemas.codec import EventDecoder, Rejected, encode_event
from schemas.events import Feedback, PlayEvent, PrivacyRequest
from schemas.impressions import Impression
from schemas.internal import HEADER_REQUEUED
from schemas.murmur2 import partition_of_name
from schemas.registry import DEAD_LETTERS
from segue.config import Settings
from segue.telemetry import metrics
from streams.deadletter import BadShare, dead_letter
from streams.stage import Output
from streams.unit import Unit

__all__ = ["Intake", "IntakeLimits", "Taken"]

FUTURE_MAX_MS = 86_400_000  # clocks of phones are wrong, but not by more than a day
KNOWN_KEYS_MAX = 500_000

E = TypeVar("E", bound=PlayEvent | Feedback | Impression | PrivacyRequest)


@dataclass(frozen=True, slots=True)
class Taken(Generic[E]):
    """The events of a batch that are ours, in the order of their times.

    `exempt` tells which were requeued by an operator; empty means none.
    """

    events: list[E]
    exempt: list[bool]
    forwarded: int
    rejected: int

    def tally(self) -> dict[str, int]:
        """Return what did not reach the state, by outcome."""
        counts = {"forwarded": self.forwarded, "rejected": self.rejected}
        return {outcome: count for outcome, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How many partitions there are, and when too much is bad."""

    partitions: int
    bad_window: int
    bad_share_max: float


class Intake(Generic[E]):
    """Intake of one topic on one worker. `time_ms` names the field that holds an event's time."""

    def __init__(
        self, decoder: EventDecoder[Any], *, time_ms: str, dead_letters: str, limits: IntakeLimits
    ) -> None:
        self._decoder = decoder
        self._time_ms: Callable[[Any], int] = attrgetter(time_ms)
        self._dead_letters = dead_letters
        self._limits = limits
        self._ours: dict[int, set[str]] = {}
        self._bad: dict[int, BadShare] = {}

    @classmethod
    def of(cls, event_type: type[E], settings: Settings, *, time_ms: str) -> "Intake[E]":
        """Return the intake of a topic of such events, as configured."""
        return cls(
            EventDecoder(event_type, settings.message_bytes_max),
            time_ms=time_ms,
            dead_letters=DEAD_LETTERS.topic(settings.topic_prefix),
            limits=IntakeLimits(settings.partitions, settings.bad_window, settings.bad_share_max),
        )

    def read(self, unit: Unit[Any]) -> Taken[E]:
        """Decode the unit's records. Never raises for what a producer sent."""
        events: list[Any] = []
        requeued: set[int] = set()
        forwarded = 0
        ours = self._known_keys(unit.partition)
        bad: list[bool] = []
        decode, time_ms = self._decoder.decode, self._time_ms
        for record in unit.records:
            decoded = decode(record.value)
            latest_ms = record.timestamp + FUTURE_MAX_MS
            if isinstance(decoded, list) and max(map(time_ms, decoded)) > latest_ms:
                decoded = Rejected("in_future", "more than a day after the record's time")
            bad.append(isinstance(decoded, Rejected))
            if isinstance(decoded, Rejected):
                unit.send(dead_letter(unit.batch, record, decoded, self._dead_letters))
                continue
            kept = len(events)
            for event in decoded:
                if event.user_id in ours or self._belongs(event.user_id, unit.partition, ours):
                    events.append(event)
                else:
                    forwarded += 1
                    unit.send(self._forward(unit.batch.topic, record, event))
            if record.headers and _is_requeued(record.headers):
                # Of those kept alone: others' ids are given to new objects.
                requeued.update(map(id, events[kept:]))
        if forwarded:
            metrics.FORWARDED.labels(unit.batch.topic).inc(forwarded)
        self.bad_share(unit.partition).note(bad)
        events = self._in_order(events)
        exempt = [id(event) in requeued for event in events] if requeued else []
        return Taken(events, exempt, forwarded, sum(bad))

    def bad_share(self, partition: int) -> BadShare:
        """Return the watch over bad messages of a partition."""
        limits = self._limits
        return self._bad.setdefault(partition, BadShare(limits.bad_window, limits.bad_share_max))

    def _in_order(self, events: list[Any]) -> list[Any]:
        times = [self._time_ms(event) for event in events]
        return events if times == sorted(times) else sorted(events, key=self._time_ms)

    def _known_keys(self, partition: int) -> set[str]:
        known = self._ours.setdefault(partition, set())
        if len(known) > KNOWN_KEYS_MAX:
            known.clear()
        return known

    def _belongs(self, key: str, partition: int, ours: set[str]) -> bool:
        if partition_of_name(key, self._limits.partitions) != partition:
            return False
        ours.add(key)
        return True

    def _forward(self, topic: str, record: Any, event: Any) -> Output:
        return Output(
            topic,
            partition_of_name(event.user_id, self._limits.partitions),
            event.user_id.encode(),
            encode_event(event),
            tuple(record.headers),
            record.timestamp,
        )


def _is_requeued(headers: Sequence[tuple[str, bytes]]) -> bool:
    return any(name == HEADER_REQUEUED for name, _ in headers)
