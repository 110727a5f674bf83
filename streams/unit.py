"""The unit of work: one batch applied to one partition's state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from streams.batches import Batch
from streams.stage import Output, StateT
from streams.task import PartitionTask

__all__ = ["Unit"]


@dataclass(slots=True)
class Unit(Generic[StateT]):
    """What an agent sees of its batch: the new records, the state, and a way to send.

    Effects count from the moment the block around it ends without an exception.
    """

    task: PartitionTask[StateT]
    batch: Batch
    records: Sequence[Any]  # those of `batch` that are new
    outputs: list[Output] = field(default_factory=list)

    @property
    def state(self) -> StateT:
        """Return the partition's state."""
        return self.task.state

    @property
    def partition(self) -> int:
        """Return the partition number."""
        return self.batch.partition

    def send(self, output: Output) -> None:
        """Send a record with the flush that commits this unit."""
        self.outputs.append(output)

    @property
    def version_offset(self) -> int:
        """Return the version of what is written for this unit: it grows with every record."""
        task = self.task
        return task.version_offset - task.position[self.batch.topic] + self.batch.next_offset
