"""A worker in a simulation: the product's groups, agents and sink between doubles of the outside.

It fetches from a `MemoryLog` as the consumer does, with what goes wrong there: batches of any size,
fetches that return after a rebalance, batches lost on the way. It can be killed at any await.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError

from agents import register_all
from agents.deps import Deps
from segue.telemetry.health import Health
from segue.testing.memory_app import BATCH_RECORDS, AgentFunction, MemoryApp
from segue.testing.memory_sink import MemorySink
from streams.batches import Inbox, Poll
from streams.gates import TopicPartition
from streams.tasks import assigned_numbers

if TYPE_CHECKING:
    from segue.testing.simulated_world import World

__all__ = ["CURRENT", "SimulatedWorker", "task_of_worker"]

CURRENT: ContextVar[SimulatedWorker | None] = ContextVar("worker", default=None)
WAYS_S = (0.0, 0.0, 0.3, 1.0)  # from the consumer to the queue; the long ones meet rebalances


class SimulatedWorker(MemoryApp):
    """One process. `dead` is what SIGKILL leaves; `joined` whether the group knows it."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world.group_id, Health(world.clock))
        self.name = name
        self.dead = False
        self.joined = True
        self.tasks: set[asyncio.Task[Any]] = set()
        self.positions: dict[TopicPartition, int] = {}
        self._world = world
        self._random = Random(f"worker {name} {world.seed}")
        self._generation = 0
        deps = Deps(
            settings=world.settings,
            sink=MemorySink(world.settings, self.health, world.redis),
            health=self.health,
            clock=world.clock,
            epochs=world.epochs,
        )
        register_all(self.as_segue_app, deps)
        self._inbox = Inbox(BATCH_RECORDS)
        self._flow = asyncio.Event()
        self._queues: dict[str, asyncio.Queue[Poll]] = {
            topic: asyncio.Queue() for topic in self.agents
        }

    def start(self) -> None:
        """Begin to fetch, and to run the agents."""
        self.spawn(self._fetch_for_ever())
        for topic, agent in self.agents.items():
            self.spawn(self._drive(topic, agent))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something as part of this process: it ends when the process is killed."""
        token = CURRENT.set(self)
        try:
            return asyncio.get_running_loop().create_task(self._guarded(work))
        finally:
            CURRENT.reset(token)

    async def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something as part of this process and wait for it, even if the process dies."""
        if self.dead:
            work.close()
            return
        await asyncio.wait([self.spawn(work)])

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more, whatever it was at."""
        if self.dead:
            return
        self.dead = True
        self._world.note("killed", self.name)
        for task in list(self.tasks):
            task.cancel()

    def fail(self, error: Exception) -> None:
        """Stop, as the product does: restart is the recovery path."""
        super().fail(error)
        self._world.note(f"failed {type(error).__name__}", self.name)
        self._world.failures.append(error)
        self.kill()

    async def seek(self, tp: TopicPartition, offset: int) -> None:
        """Send the consumer to `offset`."""
        self._inbox.forget(tp)
        await self._world.point("seek")
        if tp not in self.positions:
            raise IllegalStateError(f"{tp} is not assigned")
        self.positions[tp] = offset
        self.gates.sought(tp, offset)

    async def revoked(self) -> None:
        """Close the groups; nothing reaches the agents before the next assignment."""
        self._flow.clear()
        await asyncio.gather(*(group.on_revoked() for group in self.groups))

    async def assigned(self, partitions: Iterable[tuple[str, int]], generation: int) -> None:
        """Take over an assignment. The consumer stands at what was committed, as Faust seeks."""
        named = [TopicPartition(*tp) for tp in partitions]
        self._generation = generation
        committed = self._world.log.committed
        self.positions = {tp: committed.get((self.conf.id, *tp), 0) for tp in named}
        numbers = assigned_numbers(named)
        for group in self.groups:
            for topic in group.stage.inputs:
                numbers.setdefault(topic, set())
        await asyncio.gather(*(group.on_assigned(numbers, generation) for group in self.groups))
        self._resume()

    def _resume(self) -> None:
        """Let messages flow again, as Faust does: what was queued is gone."""
        self._inbox.forget_all()
        for queue in self._queues.values():
            while not queue.empty():
                queue.get_nowait()
        self._flow.set()

    async def flowing(self) -> None:
        """Wait for the end of a rebalance."""
        await self._flow.wait()

    async def drained(self) -> None:
        """Flush and hand over, as on SIGTERM."""
        await asyncio.gather(*(group.drain() for group in self.groups))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if not self.dead:
                raise
        except Exception as error:  # noqa: BLE001  # a crash of an agent is one of the process
            self.fail(error)

    async def _drive(self, topic: str, agent: AgentFunction) -> None:
        async for outcomes in agent(self._queued(topic)):
            for outcome, count in outcomes.items():
                self._world.outcomes[outcome] += count

    async def _queued(self, topic: str) -> AsyncIterator[Poll]:
        while True:
            yield await self._queues[topic].get()

    async def _fetch_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._random.choice([0.001, 0.01, 0.05]))
            generation, taken = self._generation, self._take()
            if not taken:
                continue
            await self._world.point("fetched")
            await asyncio.sleep(self._random.choice(WAYS_S))
            for tp, records, follows in taken:
                # A rebalance meanwhile: the fetch is dropped, or comes late.
                late = self._generation != generation and self._random.random() < 0.5
                if late or not self._flow.is_set():
                    self._world.note("lost on the way", self.name)
                    continue
                for poll in self._inbox.add(tp, records, follows):
                    if tp.topic in self.urgent_topics:
                        self.priority.add(poll)
                    self._queues[tp.topic].put_nowait(poll)

    def _take(self) -> list[tuple[TopicPartition, list[Any], int]]:
        """Take records of all open partitions, noting in the same step what they follow."""
        taken = []
        for tp in sorted(self.positions):
            size = self._random.randint(1, 40)
            records = self._world.log.read(*tp, offset=self.positions[tp], limit=size)
            if not records or not self.gates.admits(tp) or self._inbox.is_full(tp):
                continue
            follows = self.gates.drained(tp, records[0].offset, records[-1].offset)
            self.positions[tp] = records[-1].offset + 1
            taken.append((tp, records, follows))
        return taken


def task_of_worker(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task that belongs to the worker whose code creates it: a loop's task factory."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    worker = CURRENT.get()
    if worker is not None:
        worker.tasks.add(task)
        task.add_done_callback(worker.tasks.discard)
    return task
