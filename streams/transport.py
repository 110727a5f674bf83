"""Faust's Kafka transport, one message for all that was fetched of a topic.

Faust spends about 200 us of CPU on each Kafka message whatever it holds. This subclass of its
aiokafka driver hands an agent a `Poll`: up to `batch_records` records of each partition, which
grows as long as it waits. The scheme `segue+kafka://` chooses it. It also reads committed records
only, assigns partitions by range (equal numbers of co-partitioned topics land on one worker), and
leaves committing to the partition tasks: topics are declared with `acks=False`, so Faust never
commits them.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import aiokafka
import faust
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, StreamT

from streams.batches import Inbox, Poll
from streams.unpacked import hand_out_unpacked

if TYPE_CHECKING:
    from streams.app import SegueApp

__all__ = ["SCHEME", "BatchSchema", "BatchTransport", "Polls", "register_transport"]

SCHEME = "segue+kafka"
# A partition that opens while a fetch is pending is first asked for by the next fetch.
FETCH_WAIT_S = 0.25
CLOSED_WAIT_S = 0.02
FETCH_MAX_WAIT_MS = 100
PACE_MAX_S = 0.005

Polls = StreamT[Any]
"""What an agent iterates: each item is a `Poll`."""


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the message's own value through: decoding is ours, not Faust's."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Return no key: a poll has one for each record."""
        return

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """Return the poll as it is."""
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


def _retrieve(asked: asyncio.Task[Any]) -> None:
    """Look at how it ended: a consumer that stops may have nobody left who waits for it."""
    if not asked.cancelled():
        asked.exception()


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    app: "SegueApp"
    pace_s = 0.0  # from taking records to asking for more; set by the agents' thread
    _drained_s = 0.0

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets this only for its own exactly_once; without it a stage counts the
        # records of aborted transactions of the stage before.
        consumer._isolation_level = "read_committed"
        # Round robin, Faust's choice without tables, tears co-partitioned topics apart.
        consumer._partition_assignment_strategy = [RangePartitionAssignor]
        # aiokafka asks for a partition again only once the fetch under way has returned, which
        # waits for the others; Faust lets it wait 1.5 s.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    def _tune(self, fetcher: Any) -> None:
        """Make the fetcher wait `pace_s` before it asks for more, and hand out plain records.

        May be called again.
        """
        if "_get_actions_per_node" in vars(fetcher):
            return
        actions = fetcher._get_actions_per_node

        def paced(assignment: Any) -> Any:
            wait_s = self._drained_s + self.pace_s - time.monotonic()
            return ([], {}, wait_s, False, []) if wait_s > 0 else actions(assignment)

        fetcher._get_actions_per_node = paced
        hand_out_unpacked(fetcher)

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        """Take what was fetched as `_Drained`, noting in the same step what it follows."""
        self._tune(args[0]._fetcher)
        records = await super()._fetch_records(*args, **kwargs)
        self._drained_s = time.monotonic()
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
    """Consumer that delivers one message for all that waits of a topic."""

    app: "SegueApp"
    _thread: _ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _UncheckedOffsets(lambda: None)
        self._inbox = Inbox(self.app.batch_records)
        self._worked_s = 0.0
        self._next: asyncio.Task[Any] | None = None

    def on_buffer_full(self, tp: TP) -> None:
        """Go on fetching: the inbox tells which partitions have enough.

        Faust takes a full partition out of the fetch and, once none is left, sleeps a second.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        gates, inbox = self.app.gates, self._inbox
        admitted = {tp for tp in active_partitions or () if gates.admits(tp)}
        wanted = {tp for tp in admitted if not inbox.is_full(tp)}
        behind = len(wanted) < len(admitted)
        if behind:
            self.app.priority.fall_behind()
        if not wanted:  # aiokafka takes an empty set for "all"
            await asyncio.sleep(CLOSED_WAIT_S)
            return {}
        wait_s = CLOSED_WAIT_S if behind else FETCH_WAIT_S
        return await super()._getmany(wanted, min(timeout, wait_s))

    async def on_stop(self) -> None:
        """Ask for nothing more."""
        if self._next is not None:
            self._next.cancel()
        await super().on_stop()

    def resume_flow(self) -> None:
        """Begin anew: the agents' queues are emptied in the same step."""
        self._inbox.forget_all()
        super().resume_flow()

    async def seek_to(self, tp: TP, offset: int) -> None:
        """Send the consumer to `offset`; what it had fetched from elsewhere is dropped."""
        self._inbox.forget(tp)
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
        """Deliver what was fetched by ourselves; yields nothing.

        Faust would deliver what is yielded by two tasks a message, one message in each turn of the
        event loop: what agents do in between, all later messages and the next fetch wait for.
        """
        await self._deliver(timeout)
        nothing: tuple[tuple[TP, Any], ...] = ()
        for message in nothing:
            yield message

    async def _deliver(self, timeout: float) -> None:
        """Put what was fetched into the agents' queues.

        The next records are asked for first: else the agents would have their turn before, and
        what comes meanwhile would wait for all of them.
        """
        asked, self._next = self._next or self._ask(timeout), None
        drained, _ = await asked
        self._note_work()
        self._next = self._ask(timeout)
        for tp, (records, follows) in (drained or {}).items():
            if not (self.flow_active and self.app.flow_control.is_active()):
                return  # a rebalance; delivering would wait. What is left out shows as a gap
            for poll in self._inbox.add(tp, records, follows):
                if tp.topic in self.app.urgent_topics:
                    self.app.priority.add(poll)
                await self.callback(self._to_poll_message(tp, poll))

    def _ask(self, timeout: float) -> asyncio.Task[Any]:
        asked: asyncio.Task[Any] = asyncio.create_task(self._wait_next_records(timeout))
        asked.add_done_callback(_retrieve)
        return asked

    def _note_work(self) -> None:
        """Let the next fetch wait for as long as this thread has worked since the last one.

        A batch of one record costs nearly as much as one of twenty. Without the pause a light load
        would take the whole machine in batches of one, from Kafka and Redis too.
        """
        worked_s = time.thread_time()
        self._thread.pace_s = min(worked_s - self._worked_s, PACE_MAX_S)
        self._worked_s = worked_s

    def _to_poll_message(self, tp: TP, poll: Poll) -> ConsumerMessage:
        """Make a message that Faust takes for the one record that began the poll."""
        last = poll.batches[tp.partition].records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            poll,  # type: ignore[arg-type]  # bytes for Faust; BatchSchema passes it through
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
