"""Dead letters: what could not be read leaves in the same transaction, as it came.

Too many of them pause the partition: a bad deploy of a producer must not turn the topic into
rubbish overnight. An operator looks (`segue dlq ls`) and goes on (`segue dlq accept`).
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from schemas import internal
from schemas.codec import Rejected
from segue.telemetry import metrics
from streams.batches import Batch
from streams.stage import Output

__all__ = ["BadShare", "dead_letter"]

HEADERS_BYTES_MAX = 65_536  # of the producer's own; larger ones are left out


def dead_letter(batch: Batch, record: Any, rejected: Rejected, topic: str) -> Output:
    """Return the dead letter of a batch's record: its bytes, with where and why in the headers.

    Bounded: what a compressed record unpacks to may be more than the broker takes back, and a
    dead letter that cannot be written would stop the partition for ever.
    """
    metrics.DEAD_LETTERS.labels(batch.topic, rejected.reason).inc()
    value, key = record.value or b"", record.key
    headers = (
        (internal.HEADER_TOPIC, batch.topic.encode()),
        (internal.HEADER_PARTITION, str(batch.partition).encode()),
        (internal.HEADER_OFFSET, str(record.offset).encode()),
        (internal.HEADER_TIMESTAMP_MS, str(record.timestamp).encode()),
        (internal.HEADER_REASON, rejected.reason.encode()),
        (internal.HEADER_DETAIL, rejected.detail.encode()),
    )
    own = tuple(header for header in record.headers if header[0] not in internal.HEADERS)
    if sum(len(name) + len(text or b"") for name, text in own) > HEADERS_BYTES_MAX:
        own = ()
    if len(value) > internal.DEAD_LETTER_VALUE_BYTES_MAX:
        own += ((internal.HEADER_TRUNCATED, str(len(value)).encode()),)
        value = value[: internal.DEAD_LETTER_VALUE_BYTES_MAX]
    if key is not None:
        key = key[: internal.DEAD_LETTER_KEY_BYTES_MAX]
    return Output(topic, batch.partition, key, value, headers + own, time.time_ns() // 1_000_000)


class BadShare:
    """Watches the share of bad messages among the last `window` of one partition.

    Trips when more than `share_max` of a full window is bad. After `accept` it stays quiet
    until the share has fallen to the limit again.
    """

    def __init__(self, window: int, share_max: float) -> None:
        self._recent: deque[bool] = deque(maxlen=window)
        self._bad_max = share_max * window
        self._bad = 0
        self._accepted = False

    def note(self, bad: Sequence[bool]) -> None:
        """Count the messages of a batch, in order."""
        self._recent.extend(bad)
        if self._bad or True in bad:
            self._bad = sum(self._recent)
        if self._bad <= self._bad_max:
            self._accepted = False

    def accept(self) -> None:
        """Go on in spite of what was seen."""
        self._accepted = True

    @property
    def tripped(self) -> bool:
        """Whether the partition must pause."""
        full = len(self._recent) == self._recent.maxlen
        return full and self._bad > self._bad_max and not self._accepted
