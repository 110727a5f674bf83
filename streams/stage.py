"""What a stage of the flow is: keyed state, its inputs, and what a flush sends out.

`streams` and `models` do not know each other; a model fits these protocols by its shape, and
`agents` brings the two together.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from streams.sinks.redis import Values
    from streams.task import PartitionTask

__all__ = ["KeyedState", "Output", "Stage", "StateT"]


class KeyedState(Protocol):
    """State of one partition. Owns the binary form of its records; plain Python, never awaits."""

    @property
    def evictions(self) -> int:
        """Return how many keys gave way to others, since the start."""
        ...

    def change_slices(self) -> Iterable[Sequence[tuple[bytes, bytes | None]]]:
        """Drain the keys changed since the last call, each with its whole record or None.

        The records are as of the call, though they are made, in slices of about a millisecond, as
        they are taken, and the state may change meanwhile. All are taken before the next call.
        """
        ...

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set one key to what `changes` gave. Raises ValueError on a record it cannot read."""
        ...

    def __len__(self) -> int:
        """Return the number of keys held."""
        ...


StateT = TypeVar("StateT", bound=KeyedState)


@dataclass(frozen=True, slots=True)
class Output:
    """A record that leaves with the flush, in its transaction."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


class Stage(Protocol[StateT]):
    """One keyed stage: what it reads, what it keeps, what it sends on."""

    @property
    def name(self) -> str:
        """Return the stage's name: label of metrics, part of transactional ids."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the full names of its co-partitioned input topics."""
        ...

    @property
    def changelog(self) -> str:
        """Return the full name of its changelog topic."""
        ...

    @property
    def flush_interval_s(self) -> float:
        """Return how long applied events may wait for their commit."""
        ...

    @property
    def publish_interval_s(self) -> float:
        """Return how long what `publish` writes may wait."""
        ...

    def new_state(self, partition: int) -> StateT:
        """Return empty state for one partition."""
        ...

    def outputs(self, state: StateT) -> Iterable[Output]:
        """Drain what the state has to send on since the last call. Called inside a flush.

        What takes long is done as it is iterated: in another thread, while the state changes.
        """
        ...

    async def publish(self, task: "PartitionTask[StateT]", *, complete: bool) -> None:
        """Write out what still waits for Redis, and see whether Redis still holds its data.

        Called every `publish_interval_s`, while agents go on changing the state. Before each commit
        it is called as `complete`: nothing that waited at the call waits when it returns; then once
        more under the task's lock, for what came since. Raises `Fenced` when the task was closed
        meanwhile.
        """
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the stages whose values in Redis this one reads."""
        ...

    def everything(self, task: "PartitionTask[StateT]") -> AsyncIterator["Values"]:
        """Return all values that follow from the state, for a Redis that lost them."""
        ...
