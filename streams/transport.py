"""Faust's Kafka transport, one message per chunk of a partition's records.

Faust spends about 200 us of CPU on each Kafka message whatever it holds. This subclass of its
aiokafka driver hands an agent a `Batch`: up to `batch_records` records of one partition. The
scheme `segue+kafka://` chooses it. It also reads committed records only, assigns partitions by
range (equal numbers of co-partitioned topics land on one worker), and leaves committing to the
partition tasks: topics are declared with `acks=False`, so Faust never commits them.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import aiokafka
import faust
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, StreamT

if TYPE_CHECKING:
    from streams.app import SegueApp

__all__ = ["SCHEME", "Batch", "BatchSchema", "BatchTransport", "Batches", "register_transport"]

SCHEME = "segue+kafka"
# A partition that opens while a fetch is pending is first asked for by the next fetch.
FETCH_WAIT_S = 0.25
CLOSED_WAIT_S = 0.02


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition.

    Nothing that consumers may see lies between `follows` and the first record, so whoever
    stands at a position >= `follows` misses nothing by applying this batch.
    """

    topic: str
    partition: int
    records: Sequence[Any]  # aiokafka ConsumerRecord, whose generics are not exported
    follows: int

    @property
    def next_offset(self) -> int:
        """Return the offset after the last record."""
        return int(self.records[-1].offset) + 1


Batches = StreamT[Any]
"""What an agent iterates: each item is a `Batch`."""


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the message's own value through: decoding is ours, not Faust's."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Return no key: a batch has one for each record."""
        return

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """Return the batch as it is."""
        return message.value


class _UncheckedOffsets(defaultdict[Any, Any]):
    """Read offsets that are never consulted.

    Faust drops a message whose offset is below the last one read. After a seek back that
    would drop chunks for good; the gates and tasks decide what is old.
    """

    def __getitem__(self, tp: Any) -> None:
        return None


class _Drained(NamedTuple):
    records: list[Any]
    follows: int


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    app: "SegueApp"

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets this only for its own exactly_once; without it a stage counts the
        # records of aborted transactions of the stage before.
        consumer._isolation_level = "read_committed"
        # Round robin, Faust's choice without tables, tears co-partitioned topics apart.
        consumer._partition_assignment_strategy = [RangePartitionAssignor]
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        """Take what was fetched as `_Drained`, noting in the same step what it follows."""
        records = await super()._fetch_records(*args, **kwargs)
        gates = self.app.gates
        return {
            TP(*tp): _Drained(taken, gates.drained(tp, taken[0].offset, taken[-1].offset))
            for tp, taken in records.items()
        }

    async def seek_noted(self, tp: TP, offset: int) -> None:
        """Seek, noting it in the same step. Raises IllegalStateError if `tp` is not ours."""
        self._ensure_consumer().seek(tp, offset)
        self.app.gates.sought(tp, offset)


class BatchConsumer(driver.Consumer):
    """Consumer that yields one message per chunk of records."""

    app: "SegueApp"
    _thread: _ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _UncheckedOffsets(lambda: None)

    def on_buffer_full(self, tp: TP) -> None:
        """Go on fetching: delivery waits for room in the agent's queue, which is enough.

        Faust takes a full partition out of the fetch and, once none is left, sleeps a second.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        gates = self.app.gates
        wanted = {tp for tp in active_partitions or () if gates.admits(tp)}
        if not wanted:  # aiokafka takes an empty set for "all"
            await asyncio.sleep(CLOSED_WAIT_S)
            return {}
        return await super()._getmany(wanted, min(timeout, FETCH_WAIT_S))

    async def seek_to(self, tp: TP, offset: int) -> None:
        """Send the consumer to `offset`; what it had fetched from elsewhere is dropped."""
        await self._thread.call_thread(self._thread.seek_noted, tp, offset)

    def ends(self, tp: TP) -> tuple[int, int]:
        """Return a partition's end as last fetched, and the offset to be fetched next.

        Raises AssertionError, AttributeError or KeyError while it is not assigned or positioned.
        """
        consumer = self._thread._ensure_consumer()
        state = consumer._subscription.subscription.assignment.state_value(tp)
        if state.lso is None:
            raise KeyError(tp)
        return int(state.lso), int(state.position)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Yield (partition, message), each message holding a `Batch`."""
        drained, _ = await self._wait_next_records(timeout)
        if not drained or self.should_stop:
            return
        for tp, (records, follows) in drained.items():
            size = self.app.batch_records
            for start in range(0, len(records), size):
                if not self.flow_active:
                    return  # a rebalance: the tasks seek back when they open again
                chunk = records[start : start + size]
                yield tp, self._to_batch_message(tp, Batch(tp.topic, tp.partition, chunk, follows))
                follows = chunk[-1].offset + 1

    def _to_batch_message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        last = batch.records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            batch,  # type: ignore[arg-type]  # bytes for Faust; BatchSchema passes it through
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class BatchTransport(driver.Transport):
    """aiokafka transport with batched consumption."""

    Consumer: ClassVar[type[driver.Consumer]] = BatchConsumer


def register_transport() -> None:
    """Make the scheme known to Faust. May be called twice."""
    TRANSPORTS.aliases[SCHEME] = "streams.transport:BatchTransport"
