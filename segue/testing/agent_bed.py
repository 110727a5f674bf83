"""The agents of a worker in Faust's test context: real app and agents, doubles for the outside.

    async with AgentBed() as bed:
        outcomes = await bed.put("plays", [b"..."])
        bed.sink.next("ann")

Partition 0 alone; its tasks are open from the start and flush when a test says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from agents import register_all
from agents.deps import Deps
from schemas.rediskeys import EPOCH_COMPLETE, epoch_key
from schemas.registry import TOPICS, spec_of
from segue.telemetry.health import Health
from segue.testing.manual_clock import START_MS, ManualClock
from segue.testing.memory_app import as_batch
from segue.testing.memory_log import Headers, MemoryLog, MemoryRecord
from segue.testing.memory_sink import MemorySink
from segue.testing.memory_stage import open_task
from segue.testing.servers import fresh_settings
from streams.app import SegueApp, create_app
from streams.batches import Poll
from streams.gates import TopicPartition
from streams.task import PartitionTask

__all__ = ["AgentBed"]


class AgentBed:
    """An app of the role `recommend`. `log` gets what tasks commit, `sink` what agents write."""

    def __init__(self, **overrides: Any) -> None:
        self.settings = fresh_settings(**{"partitions": 1, "list_length": 5} | overrides)
        self.health = Health()
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.sink = MemorySink(self.settings, self.health)
        self.epochs = {spec.topic(self.settings.topic_prefix): START_MS for spec in TOPICS}
        self.app: SegueApp = create_app(self.settings, self.health)
        self.seeks: list[tuple[str, int]] = []
        self._contexts: dict[str, Any] = {}
        self._offsets: dict[str, int] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Register the agents, open the tasks, start the test contexts."""
        deps = Deps(self.settings, self.sink, self.health, self.clock, self.epochs)
        register_all(self.app, deps)
        self.app.seek = self._seek  # type: ignore[method-assign]  # there is no consumer
        self.app.finalize()
        self.app.flow_control.resume()
        for group in self.app.groups:
            await open_task(group, log=self.log)
        for stage in ("neighbours", "trends"):
            for number in range(self.settings.partitions):  # lists wait for these
                await self.sink.redis.set(epoch_key(stage, number), EPOCH_COMPLETE)
        for name, agent in self.app.agents.items():
            context: Any = agent.test_context()
            self._contexts[name] = await self._stack.enter_async_context(context)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the agents."""
        for group in self.app.groups:
            for task in group.tasks.values():
                task.retired = True
        await self._stack.aclose()

    def topic(self, name: str) -> str:
        """Return the full name of a topic."""
        return spec_of(name).topic(self.settings.topic_prefix)

    def task(self, stage: str) -> PartitionTask[Any]:
        """Return the open task of a stage."""
        return next(group for group in self.app.groups if group.stage.name == stage).tasks[0]

    def records(
        self, agent: str, values: Sequence[bytes | None], headers: Headers = ()
    ) -> list[MemoryRecord]:
        """Return new records of an agent's topic, at the offsets that follow."""
        topic, first = self.topic(agent), self._offsets.get(agent, 0)
        self._offsets[agent] = first + len(values)
        return [
            MemoryRecord(topic, 0, first + i, START_MS, b"key", value, headers)
            for i, value in enumerate(values)
        ]

    async def put(
        self, agent: str, values: Sequence[bytes | None], *, headers: Headers = ()
    ) -> dict[str, int]:
        """Give an agent a batch of values; returns the outcomes it yields."""
        return await self.put_records(agent, self.records(agent, values, headers))

    async def put_records(self, agent: str, records: Sequence[MemoryRecord]) -> dict[str, int]:
        """Give an agent a batch of records as they are."""
        context = self._contexts[agent]
        await context.put(Poll.of(as_batch(self.topic(agent), 0, list(records))))
        outcomes: dict[str, int] = context.results[max(context.results)]
        return outcomes

    def yielded(self, agent: str) -> list[dict[str, int]]:
        """Return all outcomes that an agent yielded."""
        return list(self._contexts[agent].results.values())

    async def _seek(self, tp: TopicPartition, offset: int) -> None:
        self.seeks.append((tp.topic, offset))
        self.app.gates.sought(tp, offset)
