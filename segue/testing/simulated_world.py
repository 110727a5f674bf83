"""The world of a simulation: cluster, server, time, group and workers, in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random

from schemas.registry import DEAD_LETTERS, FEEDBACK, PAIRS, PLAYS, TOPICS, TREND_COUNTS
from segue.config import Settings
from segue.testing.memory_log import MemoryLog
from segue.testing.memory_redis import MemoryRedis
from segue.testing.servers import fresh_settings
from segue.testing.simulated_worker import CURRENT, SimulatedWorker
from segue.testing.traffic import START_MS, Traffic

__all__ = ["PARTITIONS", "Weather", "World"]

PARTITIONS = 2
DAYS_LATER_MS = 20 * 86_400_000  # when records are stored: after the plays in them


class _Clock:
    """The loop's time, and a wall clock that jumps."""

    def __init__(self) -> None:
        self.offset_ms = START_MS + DAYS_LATER_MS

    def now_ms(self) -> int:
        return self.offset_ms + int(1000 * self.monotonic_s())

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Weather:
    """How slow things are now, and where the next worker dies."""

    delay_s: float = 0.002
    redis_delay_s: float = 0.001
    kill_at: str | None = None


class World:
    """Cluster, server, group and workers of one run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.settings = _settings()
        self.group_id = "simulated"
        self.clock = _Clock()
        self.log = MemoryLog(self.point)
        self.redis = MemoryRedis(self.point)
        self.epochs = {spec.topic(self.settings.topic_prefix): START_MS for spec in TOPICS}
        self.workers: list[SimulatedWorker] = []
        self.weather = Weather()
        self.outcomes: Counter[str] = Counter()
        self.failures: list[Exception] = []
        self.story: list[str] = []
        self.happened: Counter[str] = Counter()
        self._random = Random(f"world {seed}")
        self._generation = 0
        self._rebalancing = asyncio.Lock()
        self._born = 0

    def note(self, what: str, who: str = "") -> None:
        """Write down what happened and when."""
        self.happened[what] += 1
        self.story.append(f"{asyncio.get_running_loop().time():8.3f} {who} {what}")

    async def point(self, name: str) -> None:
        """Take time as the outside does, and perhaps end the worker that is here."""
        worker = CURRENT.get()
        if worker is None:
            return
        delay_s = self.weather.redis_delay_s if "redis" in name else self.weather.delay_s
        await asyncio.sleep(delay_s * self._random.random())
        if name == self.weather.kill_at:
            self.weather.kill_at = None
            self.note(f"at {name}", worker.name)
            worker.kill()
        if worker.dead:
            raise asyncio.CancelledError

    @property
    def alive(self) -> list[SimulatedWorker]:
        """The workers that were not killed."""
        return [worker for worker in self.workers if not worker.dead]

    def add_worker(self) -> SimulatedWorker:
        """Start a process; it gets partitions with the next rebalance."""
        self._born += 1
        worker = SimulatedWorker(self, f"worker-{self._born}")
        self.workers.append(worker)
        worker.start()
        self.note("started", worker.name)
        return worker

    async def rebalance(self) -> None:
        """Revoke everything, then share it out among those whom the group knows."""
        async with self._rebalancing:
            self._generation += 1
            members = [worker for worker in self.alive if worker.joined]
            self.note(f"rebalance of {len(members)}")
            await asyncio.gather(*(worker.call(worker.revoked()) for worker in members))
            members = [worker for worker in members if not worker.dead]
            inputs = [topic for worker in members[:1] for topic in worker.agents]
            shares = [
                [
                    (topic, number)
                    for topic in inputs
                    for number in range(PARTITIONS)
                    if number % len(members) == place
                ]
                for place in range(len(members))
            ]
            self._random.shuffle(shares)
            await asyncio.gather(
                *(
                    worker.call(worker.assigned(share, self._generation))
                    for worker, share in zip(members, shares, strict=True)
                )
            )

    async def produce(self, traffic: Traffic) -> None:
        """Send the traffic, with a hole between offsets now and then."""
        prefix = self.settings.topic_prefix
        topics = {"plays": PLAYS.topic(prefix), "feedback": FEEDBACK.topic(prefix)}
        for message in traffic.messages:
            await asyncio.sleep(message.pause_s)
            self.log.append(
                topics[message.kind],
                message.partition,
                key=message.key,
                value=message.value,
                timestamp_ms=START_MS + DAYS_LATER_MS,
            )
            if self._random.random() < 0.1:
                self.log.mark(topics[message.kind], message.partition)

    def settled(self) -> bool:
        """Whether everything sent was applied and committed, in all stages, and all are open.

        What is committed may be restored by another worker still.
        """
        prefix = self.settings.topic_prefix
        groups = [group for worker in self.alive for group in worker.groups]
        for stage in {group.stage.name for group in groups}:
            held = [len(group.open_tasks()) for group in groups if group.stage.name == stage]
            if sum(held) < PARTITIONS:
                return False
        return all(
            self.log.committed.get((self.group_id, spec.topic(prefix), number), 0)
            > self.log.last_offset(spec.topic(prefix), number)
            for spec in (PLAYS, FEEDBACK, PAIRS, TREND_COUNTS)
            for number in range(PARTITIONS)
        )

    def dead_letters(self) -> Counter[bytes]:
        """How often each message is among the dead letters."""
        topic = DEAD_LETTERS.topic(self.settings.topic_prefix)
        return Counter(record.value or b"" for record in self.log.records(topic))


def _settings() -> Settings:
    return fresh_settings(
        topic_prefix="simulated.",
        partitions=PARTITIONS,
        listeners_per_partition_max=100,
        tracks_per_partition_max=100,
        vectors_max=1_000,
        sink_flush_interval_s=0.5,
        redis_timeout_s=1.0,
        redis_retry_max_s=1.0,
        list_length=5,
    )
