"""The partition tasks of one stage on one worker: assigned, restored, opened, closed.

The assignment callback only fences the former owner, as aiokafka sends no heartbeats before it
returns. State is restored in the background; then the consumer is sent to the committed offset
and the gate opens. A task is kept over a rebalance when the generation is the next one and
nothing was half done; everything else starts from the changelog.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Generic

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from segue.config import Settings
from segue.errors import Bug, Fenced, Misconfigured
from segue.telemetry import metrics
from segue.telemetry.logs import get_logger
from streams.batches import Batch, Poll
from streams.changelog import committed_offsets, restore
from streams.gates import TopicPartition
from streams.stage import Stage, StateT
from streams.task import PartitionTask
from streams.unit import Unit

if TYPE_CHECKING:
    from streams.app import SegueApp

__all__ = ["TaskGroup"]

logger = get_logger(__name__)

REVOKE_FLUSH_S = 2.0  # below any session timeout: the group waits for us meanwhile
FENCE_TIMEOUT_S = 30.0
CANCEL_AGAIN_S = 0.05
TRANSACTION_TIMEOUT_S = 30
GOLDEN = 0.618  # its multiples are spread evenly over an interval, however many there are
BACKLOG_INTERVALS = 4  # a commit costs the same for many records as for few


class TaskGroup(Generic[StateT]):
    """All tasks of one stage. Owned by the app, which calls it on each rebalance and on stop."""

    def __init__(self, stage: Stage[StateT], *, app: "SegueApp", settings: Settings) -> None:
        self.stage = stage
        self.tasks: dict[int, PartitionTask[StateT]] = {}
        self._app = app
        self._settings = settings
        self._restoring: dict[int, asyncio.Task[None]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        for topic in stage.inputs:
            app.gates.manage(topic)
        app.health.watch(stage.name, self._has_work)

    # ---------------------------------------------------------------- what agents use

    @asynccontextmanager
    async def units(self, poll: Poll) -> AsyncIterator[list[Unit[StateT]]]:
        """Apply one poll: a unit for each batch that is for us and has new records.

        Holds the tasks' locks. An exception inside leaves states half changed, so it stops the
        worker, except `Fenced`: then a partition has another owner, as happens to all partitions
        of a worker at once, and the work is dropped.
        """
        try:
            async with AsyncExitStack() as locks:
                begun = [await self._begin(batch, locks) for batch in poll.take()]
                units = [unit for unit in begun if unit is not None]
                try:
                    yield units
                except Fenced:
                    self._drop(units)
                    return
                except BaseException as error:
                    self._drop(units)
                    if isinstance(error, Exception):
                        self._app.fail(error)
                    raise
                for unit in units:
                    if unit.task.opened:
                        self._advance(unit)
                    else:
                        self._drop([unit])
        finally:
            self._app.priority.done(poll)

    def is_open(self, partition: int) -> bool:
        """Whether the partition takes batches now."""
        return partition in self.tasks and self.tasks[partition].opened

    async def give_way(self) -> None:
        """Let batches that listeners wait for go first. Not to be called with a lock held."""
        await self._app.priority.give_way()

    async def _begin(self, batch: Batch, locks: AsyncExitStack) -> Unit[StateT] | None:
        task = self.tasks.get(batch.partition)
        if task is None:
            return None
        await locks.enter_async_context(task.lock)
        records = await self._new_records(task, batch)
        return Unit(task, batch, records) if records else None

    def _advance(self, unit: Unit[StateT]) -> None:
        task, batch = unit.task, unit.batch
        task.advance(batch.topic, batch.next_offset, unit.outputs, len(unit.records))
        self._app.health.beat(self.stage.name)
        if task.pending_records >= self._settings.flush_records:
            task.due.set()

    def _drop(self, units: list[Unit[StateT]]) -> None:
        """Let go of tasks whose state is half changed: it must neither be committed nor kept."""
        for unit in units:
            unit.task.retired = True
            unit.task.opened = False
            logger.info("unit_dropped", stage=self.stage.name, partition=unit.partition)

    def open_tasks(self) -> list[PartitionTask[StateT]]:
        """Return the tasks that take batches now."""
        return [task for task in self.tasks.values() if task.opened]

    async def pause(self, task: PartitionTask[StateT], topic: str) -> None:
        """Stop taking records of one topic of a task; its position stays."""
        task.paused_topics.add(topic)
        self._app.gates.close(TopicPartition(topic, task.partition))
        metrics.PAUSED.labels(topic).inc()

    async def resume(self, task: PartitionTask[StateT], topic: str) -> None:
        """Go on where `pause` stopped."""
        task.paused_topics.discard(topic)
        metrics.PAUSED.labels(topic).dec()
        if task.opened:
            await self._seek_and_open(task, topic)

    async def _new_records(self, task: PartitionTask[StateT], batch: Batch) -> list[object]:
        """Return the records at or after the task's position, having healed a gap."""
        records = batch.records
        if not task.opened or batch.topic in task.paused_topics:
            return []
        position = task.position[batch.topic]
        if batch.follows > position:
            # A chunk before this one was dropped on the way (a rebalance empties queues).
            logger.info("gap_healed", topic=batch.topic, partition=task.partition)
            await self._seek_and_open(task, batch.topic)
            return []
        if records[0].offset >= position:
            return records
        return [record for record in records if record.offset >= position]

    # ---------------------------------------------------------------- rebalance

    async def on_revoked(self) -> None:
        """Close all tasks, each flushed first where that is quick."""
        await asyncio.gather(*(self._close(task) for task in self.tasks.values()))

    async def on_assigned(self, partitions: dict[str, set[int]], generation: int) -> None:
        """Take over the assigned partitions: fence former owners, restore in the background."""
        wanted = self._co_partitioned(partitions)
        for number, task in list(self.tasks.items()):
            kept = number in wanted and not task.retired and task.generation + 1 == generation
            if not kept:
                self._retire(number)
        new = sorted(wanted - self.tasks.keys())
        async with asyncio.timeout(FENCE_TIMEOUT_S):
            producers = await asyncio.gather(*(self._start_producer(n) for n in new))
        for number, producer in zip(new, producers, strict=True):
            self.tasks[number] = PartitionTask(
                stage=self.stage,
                partition=number,
                state=self.stage.new_state(number),
                producer=producer,
                priority=self._app.priority,
                group_id=self._app.conf.id,
                generation=generation,
            )
            self._restoring[number] = asyncio.create_task(self._restore(self.tasks[number]))
        for number, task in self.tasks.items():
            task.generation = generation
            self._running[number] = asyncio.create_task(self._run(task))
        self._note_assignment()

    def _co_partitioned(self, partitions: dict[str, set[int]]) -> set[int]:
        numbers = [partitions.get(topic, set()) for topic in self.stage.inputs]
        if any(other != numbers[0] for other in numbers):
            raise Misconfigured(
                f"the inputs of {self.stage.name} were assigned unequal partitions: {partitions}",
                remedy="give the topics of one group equal partition counts: segue topics plan",
            )
        return numbers[0]

    async def _start_producer(self, partition: int) -> AIOKafkaProducer:
        """Start the partition's producer; this fences a former owner and ends its transaction."""
        producer = AIOKafkaProducer(
            **self._settings.kafka_client_options(),
            transactional_id=f"{self._app.conf.id}-{self.stage.name}-{partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_S * 1000,
            max_batch_size=900_000,
            max_request_size=4_000_000,
        )
        await producer.start()
        return producer

    async def _restore(self, task: PartitionTask[StateT]) -> None:
        await restore(self._settings, self.stage, task.partition, task.state)

    async def _run(self, task: PartitionTask[StateT]) -> None:
        """Open the task once restored, then flush until it is closed."""
        try:
            await self._open(task)
            clock_s = asyncio.get_running_loop().time
            flushed_s = clock_s()
            # Partitions take turns: all at once they would hold up every list.
            pause_s = self.stage.publish_interval_s * (GOLDEN * (task.partition + 1) % 1)
            while task.opened:
                with suppress(TimeoutError):
                    await asyncio.wait_for(task.due.wait(), pause_s)
                pause_s = self.stage.publish_interval_s
                waited_s = clock_s() - flushed_s
                if task.dirty and (task.due.is_set() or waited_s >= self._patience_s(task)):
                    await task.flush()
                    flushed_s = clock_s()
                await task.publish()
        except Fenced:
            return
        except Exception as error:  # noqa: BLE001  # restart is the recovery path
            if task.opened or not task.retired:
                self._app.fail(error)

    def _patience_s(self, task: PartitionTask[StateT]) -> float:
        """Return how long applied events may wait now: longer while more than a batch waits."""
        behind = max(self._lag(task, topic) for topic in self.stage.inputs)
        catching_up = behind > self._settings.batch_records
        return self.stage.flush_interval_s * (BACKLOG_INTERVALS if catching_up else 1)

    async def _open(self, task: PartitionTask[StateT]) -> None:
        restoring = self._restoring.get(task.partition)
        if restoring is not None:
            await asyncio.shield(restoring)
            if not task.position:
                task.begin(
                    await committed_offsets(
                        self._settings, task.group_id, self.stage.inputs, task.partition
                    )
                )
            self._restoring.pop(task.partition, None)
        await self._app.flowing()  # what is fetched before is dropped, and nothing would show it
        topics = [topic for topic in self.stage.inputs if topic not in task.paused_topics]
        for topic in topics:
            await self._seek(task, topic)
        # In one step: a batch that came before the task is open would be dropped, and nothing
        # would show the gap before the next record of its partition.
        task.opened, task.closing = True, False
        for topic in topics:
            self._app.gates.open(TopicPartition(topic, task.partition))
        self._note_assignment()

    async def _seek(self, task: PartitionTask[StateT], topic: str) -> None:
        """Send the consumer to the task's position, behind a closed gate."""
        tp = TopicPartition(topic, task.partition)
        self._app.gates.close(tp)
        await self._app.seek(tp, task.position[topic])

    async def _seek_and_open(self, task: PartitionTask[StateT], topic: str) -> None:
        await self._seek(task, topic)
        self._app.gates.open(TopicPartition(topic, task.partition))

    async def _close(self, task: PartitionTask[StateT]) -> None:
        for topic in self.stage.inputs:
            self._app.gates.close(TopicPartition(topic, task.partition))
        task.closing = True
        if task.opened:
            try:
                async with asyncio.timeout(REVOKE_FLUSH_S):
                    await task.flush()
            except (TimeoutError, KafkaError, Fenced) as error:
                # A commit cut short leaves the producer in doubt: start anew from the changelog.
                logger.warning("revoke_flush_failed", stage=self.stage.name, error=repr(error))
                task.retired = True
        task.opened = False
        if task.at_work:  # it will find the task closed; what it drained may not be in Redis
            task.retired = True
        await self._stop_running(task.partition)
        if task.opened:  # it was about to open, and did not hear in time that it should not
            for topic in self.stage.inputs:
                self._app.gates.close(TopicPartition(topic, task.partition))
            task.opened = False
            task.retired = True

    async def _stop_running(self, partition: int) -> None:
        """Cancel until it ends: an aiokafka client that closes swallows a cancellation."""
        running = self._running.pop(partition, None)
        while running is not None and not running.done():
            running.cancel()
            await asyncio.wait([running], timeout=CANCEL_AGAIN_S)

    def _retire(self, number: int) -> None:
        task = self.tasks.pop(number)
        task.retired = True
        task.opened = False
        for topic in task.paused_topics:
            metrics.PAUSED.labels(topic).dec()
        restoring = self._restoring.pop(number, None)
        if restoring is not None:
            restoring.cancel()
        retiring = asyncio.create_task(self._stop_producer(task))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def _stop_producer(self, task: PartitionTask[StateT]) -> None:
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(FENCE_TIMEOUT_S):
                await task.producer.stop()

    async def drain(self) -> None:
        """Flush and stop everything. After it returns no task takes a batch."""
        await self.on_revoked()
        for number in list(self.tasks):
            self._retire(number)
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=REVOKE_FLUSH_S)

    def observe(self) -> None:
        """Report lag and sizes of this stage."""
        for topic in self.stage.inputs:
            lags = [self._lag(task, topic) for task in self.open_tasks()]
            metrics.LAG.labels(topic).set(sum(lags))
        tasks = self.tasks.values()
        metrics.STATE.labels(self.stage.name).set(sum(len(task.state) for task in tasks))
        for task in tasks:
            evicted = task.state.evictions - task.evictions_counted
            metrics.EVICTIONS.labels(self.stage.name).inc(evicted)
            task.evictions_counted += evicted

    def _has_work(self) -> bool:
        return any(
            self._lag(task, topic) > 0
            for task in self.open_tasks()
            for topic in self.stage.inputs
            if topic not in task.paused_topics
        )

    def _lag(self, task: PartitionTask[StateT], topic: str) -> int:
        end = self._app.highwater(TopicPartition(topic, task.partition))
        return max(0, (end or 0) - task.position[topic])

    def _note_assignment(self) -> None:
        waiting = [number for number, task in self.tasks.items() if not task.opened]
        name = f"{self.stage.name} restored"
        if waiting:
            self._app.health.not_ready(name)
        else:
            self._app.health.ready(name)
        metrics.ASSIGNED.labels(self.stage.name).set(len(self.tasks))


def assigned_numbers(assigned: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    """Group assigned partitions by topic."""
    numbers: dict[str, set[int]] = {}
    for topic, partition in assigned:
        numbers.setdefault(topic, set()).add(partition)
    if any(not isinstance(topic, str) for topic in numbers):
        raise Bug(f"not an assignment: {assigned!r}")
    return numbers
