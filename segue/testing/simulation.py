"""The pipeline under a seeded schedule of everything that goes wrong, without Kafka and Redis.

The stages, states, tasks, intake, agents, list making and sink are the product's own; the log, the
server and the time are in memory. A seed decides all of it: messages, sizes of batches, delays,
where workers are killed, when partitions move. The same seed gives the same run.

    result = simulate(7)             # with faults
    clean = simulate(7, faults=False)
    assert result.state == clean.state
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from schemas.registry import FEEDBACK, PAIRS, PLAYS, TOPICS, TREND_COUNTS
from segue.config import Settings
from segue.testing.memory_log import MemoryLog, memory_kafka
from segue.testing.memory_redis import MemoryRedis
from segue.testing.servers import fresh_settings
from segue.testing.simulated_state import State, live_state, restored_state
from segue.testing.simulated_worker import CURRENT, SimulatedWorker, task_of_worker
from segue.testing.traffic import START_MS, Traffic, make_traffic
from segue.testing.virtual_time import run_virtual

__all__ = ["POINTS", "Result", "World", "simulate"]

POINTS = (
    "fence", "restore", "committed_offsets", "seek", "fetched", "redis-get", "redis-write",
    "redis-written", "send", "offsets", "commit", "committed",
)  # fmt: skip
"""Where a worker may be killed: before each, except `redis-written` and `committed`: after."""
PARTITIONS = 2
SETTLE_S = 600.0
QUIET_S = 5.0
DAYS_LATER_MS = 20 * 86_400_000  # when records are stored: after the plays in them


@dataclass(slots=True)
class Result:
    """The end of a run: state as the workers hold it and as a new one would restore it."""

    seed: int
    state: State
    restored: State
    traffic: Traffic
    redis: MemoryRedis
    dead_letters: Counter[bytes]
    outcomes: Counter[str]
    failures: list[Exception]
    happened: Counter[str]
    story: list[str]


class _Clock:
    """The loop's time, and a wall clock that jumps."""

    def __init__(self) -> None:
        self.offset_ms = START_MS + DAYS_LATER_MS

    def now_ms(self) -> int:
        return self.offset_ms + int(1000 * self.monotonic_s())

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass(slots=True)
class _Weather:
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
        self.weather = _Weather()
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
        """Whether everything sent was applied and committed, in all stages."""
        prefix = self.settings.topic_prefix
        return all(
            self.log.committed.get((self.group_id, spec.topic(prefix), number), 0)
            > self.log.last_offset(spec.topic(prefix), number)
            for spec in (PLAYS, FEEDBACK, PAIRS, TREND_COUNTS)
            for number in range(PARTITIONS)
        )

    def dead_letters(self) -> Counter[bytes]:
        """How often each message is among the dead letters."""
        topic = next(t for t in self.epochs if "dead-letters" in t)
        return Counter(record.value or b"" for record in self.log.records(topic))


def simulate(seed: int, *, faults: bool = True, messages: int = 250) -> Result:
    """Run the pipeline over the traffic of `seed` until everything is committed.

    Raises AssertionError with the end of the story if that does not happen.
    """
    traffic = make_traffic(seed, partitions=PARTITIONS, messages=messages, listeners=10)
    return run_virtual(_run(seed, traffic, faults=faults))


async def _run(seed: int, traffic: Traffic, *, faults: bool) -> Result:
    asyncio.get_running_loop().set_task_factory(task_of_worker)
    world = World(seed)
    with memory_kafka(world.log):
        for _ in range(2 if faults else 1):
            world.add_worker()
        await world.rebalance()
        producing = asyncio.create_task(world.produce(traffic))
        if faults:
            await _make_trouble(world, producing)
        await producing
        await _settle(world)
        state = live_state(worker.groups for worker in world.alive)
        for worker in world.alive:
            await worker.call(worker.drained())
        stages = [group.stage for group in world.alive[0].groups]
        result = Result(
            seed=seed,
            state=state,
            restored=restored_state(stages, world.log, PARTITIONS),
            traffic=traffic,
            redis=world.redis,
            dead_letters=world.dead_letters(),
            outcomes=world.outcomes,
            failures=world.failures,
            happened=world.happened,
            story=world.story,
        )
        for worker in world.alive:
            worker.kill()
        await asyncio.gather(
            *(task for worker in world.workers for task in worker.tasks), return_exceptions=True
        )
    return result


async def _make_trouble(world: World, producing: asyncio.Task[None]) -> None:
    """Do one bad thing after another until all is sent, then two more."""
    random = Random(f"trouble {world.seed}")
    trouble: list[Callable[[World, Random], asyncio.Future[None] | object]] = []
    more = 2
    while more:
        more -= producing.done()
        await asyncio.sleep(random.choice([0.05, 0.3, 1.0, 2.0]))
        action = random.choice(_TROUBLE)
        await action(world, random)
    del trouble


async def _settle(world: World) -> None:
    """Let the weather clear and wait until all is committed, then a little for Redis."""
    world.weather = _Weather()
    world.redis.away = False
    for worker in world.alive:
        worker.joined = True
    if not world.alive:
        world.add_worker()
    await world.rebalance()
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + SETTLE_S
    while not world.settled():
        if loop.time() > deadline_s:
            raise AssertionError("\n".join(["never settled:", *world.story[-40:]]))
        await asyncio.sleep(0.5)
    await asyncio.sleep(QUIET_S)


async def _kill_at_a_point(world: World, random: Random) -> None:
    """Kill whoever comes next to a certain point; the group notices later."""
    point = random.choice(POINTS)
    world.weather.kill_at = point
    if point in ("fence", "restore", "committed_offsets", "seek"):
        await world.rebalance()
    for _ in range(40):
        if world.weather.kill_at is None:
            break
        await asyncio.sleep(0.05)
    world.weather.kill_at = None
    await _replace_the_dead(world, random)


async def _kill_now(world: World, random: Random) -> None:
    random.choice(world.alive).kill()
    await _replace_the_dead(world, random)


async def _replace_the_dead(world: World, random: Random) -> None:
    await asyncio.sleep(random.choice([0.0, 0.5, 6.0]))
    while len(world.alive) < 2:
        world.add_worker()
    await world.rebalance()


async def _scale(world: World, random: Random) -> None:
    """A worker more, or one less in order."""
    if len(world.alive) < 3:
        world.add_worker()
    else:
        leaving = random.choice(world.alive)
        world.note("leaves", leaving.name)
        leaving.joined = False
        await leaving.call(leaving.drained())
        leaving.kill()
    await world.rebalance()


async def _zombie(world: World, random: Random) -> None:
    """The group gives up a worker that goes on; later it comes back, or dies."""
    if len(world.alive) < 2:
        return
    zombie = random.choice(world.alive)
    zombie.joined = False
    world.note("expelled", zombie.name)
    await world.rebalance()
    await asyncio.sleep(random.choice([0.1, 1.0, 3.0]))
    if random.random() < 0.5:
        zombie.joined = True
        await world.rebalance()
    else:
        zombie.kill()
        await _replace_the_dead(world, random)


async def _redis_lost(world: World, random: Random) -> None:
    world.note("redis lost its data")
    world.redis.lose()
    if random.random() < 0.3:  # and once more, in the midst of writing it again
        await asyncio.sleep(random.random())
        world.redis.lose()


async def _redis_away(world: World, random: Random) -> None:
    world.note("redis away")
    world.redis.away = True
    await asyncio.sleep(random.choice([0.2, 3.0]))
    if random.random() < 0.5:
        await world.rebalance()
    world.redis.away = False


async def _slow(world: World, random: Random) -> None:
    """Everything outside takes long; a restore may outlast a session."""
    world.note("slow")
    world.weather.delay_s = random.choice([0.5, 8.0])
    world.weather.redis_delay_s = random.choice([0.001, 0.3, 1.5])
    await world.rebalance()
    await asyncio.sleep(random.choice([1.0, 5.0]))
    world.weather = _Weather()


async def _clock_jumps(world: World, random: Random) -> None:
    world.note("clock jumps")
    world.clock.offset_ms += random.choice([-3_600_000, 3_600_000, -5, 86_400_000])


_TROUBLE = (
    _kill_at_a_point, _kill_at_a_point, _kill_at_a_point, _kill_now, _scale, _zombie, _redis_lost,
    _redis_away, _slow, _clock_jumps,
)  # fmt: skip


def _settings() -> Settings:
    return fresh_settings(
        topic_prefix="simulated.",
        partitions=PARTITIONS,
        listeners_per_partition_max=100,
        tracks_per_partition_max=100,
        sink_flush_interval_s=0.5,
        redis_timeout_s=1.0,
        redis_retry_max_s=1.0,
        list_length=5,
    )
