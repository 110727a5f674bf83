"""What Segue writes for itself and operators may read: registry records, dead letter headers."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "DEAD_LETTER_KEY_BYTES_MAX",
    "DEAD_LETTER_VALUE_BYTES_MAX",
    "HEADERS",
    "HEADER_DETAIL",
    "HEADER_OFFSET",
    "HEADER_PARTITION",
    "HEADER_REASON",
    "HEADER_REQUEUED",
    "HEADER_TIMESTAMP_MS",
    "HEADER_TOPIC",
    "HEADER_TRUNCATED",
    "TopicRecord",
    "decode_topic_record",
    "encode_topic_record",
]

HEADER_REASON: Final = "segue-reason"
HEADER_DETAIL: Final = "segue-detail"
HEADER_TOPIC: Final = "segue-topic"
HEADER_PARTITION: Final = "segue-partition"
HEADER_OFFSET: Final = "segue-offset"
HEADER_TIMESTAMP_MS: Final = "segue-timestamp-ms"
HEADER_REQUEUED: Final = "segue-requeued"
HEADER_TRUNCATED: Final = "segue-truncated"

DEAD_LETTER_VALUE_BYTES_MAX: Final = 2_000_000
DEAD_LETTER_KEY_BYTES_MAX: Final = 65_536
"""A compressed message can unpack to far more than the broker takes back: the rest is cut off."""

HEADERS: Final[dict[str, str]] = {
    HEADER_REASON: "Why it was rejected, one of the reason codes.",
    HEADER_DETAIL: "The same for people, at most 200 characters.",
    HEADER_TOPIC: "The topic it came from, with prefix and version.",
    HEADER_PARTITION: "The partition it came from, decimal.",
    HEADER_OFFSET: "Its offset there, decimal.",
    HEADER_TIMESTAMP_MS: "Its timestamp there, milliseconds since 1970 UTC, decimal.",
    HEADER_TRUNCATED: "How many bytes the value had, decimal, if it was cut; absent if whole.",
    HEADER_REQUEUED: "How often it was sent back to its topic, decimal; absent means never.",
}
"""Headers of a dead letter, UTF-8 text. Together they say where to find the original."""


class TopicRecord(Struct, frozen=True, gc=False):
    """What a topic was created with; written once per topic and life, key: the topic's name.

    A state is spread over the partitions by key, so a topic whose partition count changed cannot be
    read with the old state: workers compare and refuse to start.
    """

    topic: Annotated[str, Meta(description="Name with prefix and version.")]
    partitions: Annotated[int, Meta(ge=1, description="Number of partitions.")]
    created_at_ms: Annotated[
        int, Meta(ge=0, description="When it was created, ms since 1970 UTC; orders versions.")
    ]


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(TopicRecord)


def encode_topic_record(record: TopicRecord) -> bytes:
    """JSON of a registry record."""
    return _ENCODER.encode(record)


def decode_topic_record(raw: bytes) -> TopicRecord:
    """Read a registry record back. Raises msgspec.DecodeError, a ValueError, on anything else."""
    return _DECODER.decode(raw)
