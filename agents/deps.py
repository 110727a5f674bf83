"""What an agent may use: ports, not clients."""

from collections.abc import Mapping
from dataclasses import dataclass

from segue.clock import Clock
from segue.config import Settings
from segue.telemetry.health import Health
from streams.sinks.redis import RedisSink

__all__ = ["Deps"]


@dataclass(frozen=True, slots=True)
class Deps:
    """Built by the composition root, given to each agent's `register`.

    `epochs` maps full topic names to their time of creation (ms), the epoch of versions.
    """

    settings: Settings
    sink: RedisSink
    health: Health
    clock: Clock
    epochs: Mapping[str, int]

    def topic(self, name: str) -> str:
        """Return the full name of a topic of the registry."""
        return f"{self.settings.topic_prefix}{name}.v1"
