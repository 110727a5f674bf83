"""The app of a worker without Faust: what task groups and agents ask of it, and nothing else.

`register_all(app.as_segue_app, deps)` registers the product's own agents on it: `agents` then holds
their functions by topic, each to be driven over batches.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from segue.telemetry.health import Health
from streams.batches import Batch, Poll
from streams.gates import Gates, TopicPartition
from streams.priority import Priority

if TYPE_CHECKING:
    from streams.app import SegueApp
    from streams.broadcast import BroadcastReader
    from streams.tasks import TaskGroup

__all__ = ["BATCH_RECORDS", "AgentFunction", "MemoryApp", "as_batch"]

BATCH_RECORDS = 50

AgentFunction = Callable[[AsyncIterator[Poll]], AsyncIterator[dict[str, int]]]


@dataclass(frozen=True, slots=True)
class _Conf:
    id: str


class MemoryApp:
    """Gates, health and groups of one worker. Notes seeks, failures and agents."""

    def __init__(self, group_id: str = "group", health: Health | None = None) -> None:
        self.conf = _Conf(group_id)
        self.gates = Gates()
        self.health = health or Health()
        self.groups: list[TaskGroup[Any]] = []
        self.readers: list[BroadcastReader] = []
        self.agents: dict[str, AgentFunction] = {}
        self.urgent_topics: set[str] = set()
        self.priority = Priority()
        self.seeks: list[tuple[str, int, int]] = []
        self.ends: dict[TopicPartition, int] = {}
        self.failure: Exception | None = None

    @property
    def as_segue_app(self) -> SegueApp:
        """The same object under the product's type."""
        return cast("SegueApp", self)

    def polls(self, topic: str, *, urgent: bool = False) -> str:
        """Return the topic: there is no stream."""
        if urgent:
            self.urgent_topics.add(topic)
        return topic

    def agent(self, topic: str, **_: Any) -> Callable[[AgentFunction], AgentFunction]:
        """Keep the function that is decorated."""

        def keep(function: AgentFunction) -> AgentFunction:
            assert topic not in self.agents, f"two agents read {topic}"
            self.agents[topic] = function
            return function

        return keep

    async def flowing(self) -> None:
        """Return at once: nothing is held up here."""

    async def seek(self, tp: TopicPartition, offset: int) -> None:
        """Note where the consumer is sent."""
        self.seeks.append((tp.topic, tp.partition, offset))
        self.gates.sought(tp, offset)

    def highwater(self, tp: TopicPartition) -> int | None:
        """Return what a test has put into `ends`."""
        return self.ends.get(tp)

    def fail(self, error: Exception) -> None:
        """Note the first failure; a worker would stop."""
        self.failure = self.failure or error


def as_batch(
    topic: str, partition: int, records: list[Any], *, follows: int | None = None
) -> Batch:
    """Return a batch of records; without `follows` it follows its own first record."""
    return Batch(topic, partition, records, records[0].offset if follows is None else follows)
