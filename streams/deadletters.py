"""Dead letters read back: listed, shown, sent back to where they came from, deleted.

What was requeued is marked by a committed offset only for `--all`: letters before it were sent
back already. A requeued message keeps its bytes and key and carries a header, so that an event
that waited among the dead is not taken for late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from schemas import internal
from schemas.registry import DEAD_LETTERS
from segue.config import Settings
from segue.errors import Misconfigured

__all__ = [
    "DeadLetter",
    "purge_dead_letters",
    "read_dead_letter",
    "read_dead_letters",
    "requeue_dead_letters",
]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was not accepted. `id` is its own partition and offset."""

    id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, record: Any) -> "DeadLetter":
        """Read a record of the dead letters topic."""
        named = dict(record.headers)
        return cls(
            id=f"{record.partition}:{record.offset}",
            topic=named[internal.HEADER_TOPIC].decode(),
            partition=int(named[internal.HEADER_PARTITION]),
            offset=int(named[internal.HEADER_OFFSET]),
            timestamp_ms=int(named[internal.HEADER_TIMESTAMP_MS]),
            reason=named[internal.HEADER_REASON].decode(),
            detail=named[internal.HEADER_DETAIL].decode(),
            key=record.key,
            value=record.value or b"",
            headers=tuple(header for header in record.headers if header[0] not in internal.HEADERS),
        )

    def to_json(self) -> str:
        """Return one line of JSON; bytes that are not UTF-8 are escaped."""
        return orjson.dumps(
            {
                "id": self.id,
                "topic": self.topic,
                "partition": self.partition,
                "offset": self.offset,
                "timestamp_ms": self.timestamp_ms,
                "reason": self.reason,
                "detail": self.detail,
                "key": (self.key or b"").decode("utf-8", "backslashreplace"),
                "value": self.value.decode("utf-8", "backslashreplace"),
            }
        ).decode()

    def describe(self) -> str:
        """Return where it came from and why it was rejected, in a line."""
        return (
            f"{self.topic} partition {self.partition} offset {self.offset}: "
            f"{self.reason} ({self.detail})"
        )


async def read_dead_letters(settings: Settings) -> list[DeadLetter]:
    """Return all dead letters in the order of their arrival within each partition."""
    letters: list[DeadLetter] = []
    async with _reader(settings) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        for tp in partitions:
            while await consumer.position(tp) < ends[tp]:
                for records in (await consumer.getmany(tp, timeout_ms=500)).values():
                    letters += (DeadLetter.of(record) for record in records)
    return sorted(letters, key=lambda letter: letter.timestamp_ms)


async def read_dead_letter(settings: Settings, letter_id: str) -> DeadLetter:
    """Return one dead letter. Raises `Misconfigured` if there is none of that id."""
    for letter in await read_dead_letters(settings):
        if letter.id == letter_id:
            return letter
    raise Misconfigured(f"no dead letter {letter_id}", remedy="`segue dlq ls` lists them")


async def requeue_dead_letters(
    settings: Settings, letter_ids: Sequence[str] | None, reason: str | None
) -> int:
    """Send letters back to their partitions: those named, or all not requeued yet."""
    if letter_ids is not None:
        letters = [await read_dead_letter(settings, letter_id) for letter_id in letter_ids]
        await _send_back(settings, letters)
        return len(letters)
    done = await _requeued_offsets(settings)
    letters = [
        letter
        for letter in await read_dead_letters(settings)
        if _own_offset(letter) >= done.get(_own_partition(letter), 0)
        and (reason is None or letter.reason == reason)
    ]
    await _send_back(settings, letters)
    if reason is None and letters:
        await _note_requeued(settings, letters)
    return len(letters)


async def purge_dead_letters(settings: Settings) -> int:
    """Delete all dead letters; returns how many offsets were freed."""
    async with _reader(settings) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
    admin = AIOKafkaAdminClient(**settings.kafka_client_options())
    await admin.start()
    try:
        await admin.delete_records(
            {tp: RecordsToDelete(before_offset=end) for tp, end in ends.items() if end}
        )
    finally:
        await admin.close()
    return int(sum(ends[tp] - begins[tp] for tp in partitions))


class _reader:
    """Context: a consumer of the whole topic, and its partitions."""

    def __init__(self, settings: Settings) -> None:
        self._topic = DEAD_LETTERS.topic(settings.topic_prefix)
        self._consumer: Any = AIOKafkaConsumer(
            **settings.kafka_client_options(),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            group_id=f"{settings.group_prefix}dlq",
        )

    async def __aenter__(self) -> tuple[Any, list[TopicPartition]]:
        await self._consumer.start()
        metadata = await self._consumer._client.fetch_all_metadata()
        numbers = metadata.partitions_for_topic(self._topic) or ()
        partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        if not partitions:
            await self._consumer.stop()
            raise Misconfigured(f"topic {self._topic} is missing", remedy="segue topics apply")
        self._consumer.assign(partitions)
        return self._consumer, partitions

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()


async def _send_back(settings: Settings, letters: Sequence[DeadLetter]) -> None:
    producer: Any = AIOKafkaProducer(
        **settings.kafka_client_options(), enable_idempotence=True, max_request_size=4_000_000
    )
    await producer.start()
    try:
        for letter in letters:
            await producer.send_and_wait(
                letter.topic,
                letter.value,
                key=letter.key,
                partition=letter.partition,
                timestamp_ms=letter.timestamp_ms,
                headers=[*letter.headers, (internal.HEADER_REQUEUED, b"1")],
            )
    finally:
        await producer.stop()


def _own_partition(letter: DeadLetter) -> int:
    return int(letter.id.split(":")[0])


def _own_offset(letter: DeadLetter) -> int:
    return int(letter.id.split(":")[1])


async def _requeued_offsets(settings: Settings) -> dict[int, int]:
    async with _reader(settings) as (consumer, partitions):
        return {tp.partition: await consumer.committed(tp) or 0 for tp in partitions}


async def _note_requeued(settings: Settings, letters: Sequence[DeadLetter]) -> None:
    async with _reader(settings) as (consumer, partitions):
        highest: dict[int, int] = {}
        for letter in letters:
            own = _own_partition(letter)
            highest[own] = max(highest.get(own, 0), _own_offset(letter) + 1)
        await consumer.commit(
            {
                tp: OffsetAndMetadata(highest[tp.partition], "requeued")
                for tp in partitions
                if tp.partition in highest
            }
        )
