"""Sends plays, feedback, the catalogue and audio neighbours: checked, by key, no duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.audio import AudioDecoder, AudioNeighbours
from schemas.codec import EventDecoder, Rejected, encode_event
from schemas.events import Feedback, PlayEvent, PrivacyRequest
from schemas.impressions import Impression
from schemas.murmur2 import partition_of
from schemas.registry import (
    AUDIO_NEIGHBOURS,
    FEEDBACK,
    IMPRESSIONS,
    PLAYS,
    PRIVACY,
    TRACKS,
)
from schemas.tracks import CatalogueEntry, EntryDecoder
from segue.errors import Unavailable

__all__ = ["PlayProducer"]

_LINGER_MS: Final = 5
_TIMEOUT_MS: Final = 40_000
_BATCH_BYTES: Final = 131_072
_KEYS_REMEMBERED: Final = 65_536

_partition_of = lru_cache(maxsize=_KEYS_REMEMBERED)(partition_of)


class PlayProducer:
    """An idempotent Kafka producer for the input topics. An async context manager; one event loop.

    `send` hands an event to a buffer and returns; `flush` waits until all of them are stored, and
    raises Unavailable for the first that was not. Leaving the context flushes. After Unavailable,
    close it and make a new one: an event sent again with the same `event_id` counts once.

    `kafka_options` go to aiokafka: `security_protocol`, `ssl_context`, `sasl_*`,
    `compression_type`, `request_timeout_ms` (how long `flush` waits, 40 s by default).
    """

    # Any: the options are aiokafka's, which publishes no types.
    def __init__(
        self, bootstrap_servers: str, *, topic_prefix: str = "segue.", **kafka_options: Any
    ) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "enable_idempotence": True,
            "linger_ms": _LINGER_MS,
            "max_batch_size": _BATCH_BYTES,
            **kafka_options,
        }
        self._plays = PLAYS.topic(topic_prefix)
        self._feedback = FEEDBACK.topic(topic_prefix)
        self._impressions = IMPRESSIONS.topic(topic_prefix)
        self._tracks = TRACKS.topic(topic_prefix)
        self._audio = AUDIO_NEIGHBOURS.topic(topic_prefix)
        self._privacy = PRIVACY.topic(topic_prefix)
        self._check_play = EventDecoder(PlayEvent).decode
        self._check_feedback = EventDecoder(Feedback).decode
        self._check_impression = EventDecoder(Impression).decode
        self._check_request = EventDecoder(PrivacyRequest).decode
        self._check_entry = EntryDecoder().decode
        self._check_audio = AudioDecoder().decode
        self._producer: AIOKafkaProducer | None = None
        self._failure: BaseException | None = None
        # An idempotent producer of aiokafka's keeps a batch for ever: the bound is ours.
        self._timeout_s: float = kafka_options.get("request_timeout_ms", _TIMEOUT_MS) / 1000

    async def __aenter__(self) -> Self:
        producer = AIOKafkaProducer(**self._options)
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise _unavailable(error) from error
        self._producer = producer
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        producer, self._producer = self._started(), None
        late: TimeoutError | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.stop()
        except TimeoutError as found:
            late = found
        if error is None and late is not None:
            raise _unavailable(late) from late
        if error is None:
            self._raise_failure()

    async def send(self, play: PlayEvent) -> None:
        """Buffer one play; waits while the buffer is full.

        Raises ValueError if Segue would reject it, Unavailable if Kafka does not take it.
        """
        await self._send(self._plays, play.user_id, _checked(self._check_play, play))

    async def send_feedback(self, feedback: Feedback) -> None:
        """Buffer one statement of a listener. Waits and raises as `send` does."""
        raw = _checked(self._check_feedback, feedback)
        await self._send(self._feedback, feedback.user_id, raw)

    async def send_impression(self, impression: Impression) -> None:
        """Buffer what was shown of a list. Waits and raises as `send` does."""
        raw = _checked(self._check_impression, impression)
        await self._send(self._impressions, impression.user_id, raw)

    async def send_track(self, entry: CatalogueEntry) -> None:
        """Buffer an entry of the catalogue, which replaces what was said of its track before.

        Waits and raises as `send` does.
        """
        key = entry.track_id.encode()
        raw = _checked(lambda raw: self._check_entry(key, raw), entry)
        await self._send(self._tracks, entry.track_id, raw)

    async def delete_track(self, track_id: str) -> None:
        """Buffer the deletion of a track's entry. Waits and raises as `send` does."""
        await self._send(self._tracks, track_id, None)

    async def send_audio_neighbours(self, found: AudioNeighbours) -> None:
        """Buffer what a track sounds like, which replaces what was said before. As `send` does."""
        key = found.track_id.encode()
        raw = _checked(lambda raw: self._check_audio(key, raw), found)
        await self._send(self._audio, found.track_id, raw)

    async def delete_audio_neighbours(self, track_id: str) -> None:
        """Buffer the deletion of what a track sounds like. Waits and raises as `send` does."""
        await self._send(self._audio, track_id, None)

    async def send_privacy(self, request: PrivacyRequest) -> None:
        """Buffer a request to erase a listener, or to export what is kept. As `send` does.

        `segue.client.exports.fetch_export` sends one and waits for the answer.
        """
        raw = _checked(self._check_request, request)
        await self._send(self._privacy, request.user_id, raw)

    async def send_many(self, plays: Sequence[PlayEvent]) -> None:
        """Buffer many plays, in order for each listener: several times cheaper than `send` each.

        Raises ValueError before sending any if Segue would reject one, and as `send` does.
        """
        producer = self._started()
        records = [(play.user_id.encode(), _checked(self._check_play, play)) for play in plays]
        try:
            partitions = len(await producer.partitions_for(self._plays))
            groups: list[list[tuple[bytes, bytes]]] = [[] for _ in range(partitions)]
            for record in records:
                groups[_partition_of(record[0], partitions)].append(record)
            for partition, group in enumerate(groups):
                await self._send_group(group, partition)
        except KafkaError as error:
            raise _unavailable(error) from error

    async def flush(self) -> None:
        """Wait until everything sent is stored. Raises Unavailable if something was not."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._started().flush()
        except TimeoutError as error:
            raise _unavailable(error) from error
        # The callbacks of the last deliveries run in the loop's next turn.
        await asyncio.sleep(0)
        self._raise_failure()

    async def _send(self, topic: str, key: str, raw: bytes | None) -> None:
        try:
            delivery = await self._started().send(topic, raw, key=key.encode())
        except KafkaError as error:
            raise _unavailable(error) from error
        delivery.add_done_callback(self._delivered)

    async def _send_group(self, records: list[tuple[bytes, bytes]], partition: int) -> None:
        """Send one partition's records as whole batches."""
        producer, at = self._started(), 0
        while at < len(records):
            batch = producer.create_batch()
            while at < len(records):
                key, raw = records[at]
                if batch.append(timestamp=None, key=key, value=raw) is None:
                    break
                at += 1
            batch.close()
            delivery = await producer.send_batch(batch, self._plays, partition=partition)
            delivery.add_done_callback(self._delivered)

    def _delivered(self, delivery: asyncio.Future[object]) -> None:
        if not delivery.cancelled() and (error := delivery.exception()) is not None:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise _unavailable(failure) from failure

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("PlayProducer is used outside its `async with`")
        return self._producer


def _checked(check: Callable[[bytes], object], event: msgspec.Struct) -> bytes:
    """The event's bytes, if Segue would accept them: better here than as a dead letter."""
    raw = encode_event(event)
    found = check(raw)
    if isinstance(found, Rejected):
        raise ValueError(f"{type(event).__name__} is not valid: {found.reason}: {found.detail}")
    return raw


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(
        f"Kafka did not take an event: {error!r}",
        what="kafka",
        remedy="check the broker, then send again with the same event ids",
    )
