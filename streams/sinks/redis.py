"""Writes lists, rows and trends to Redis: one script for a poll, older versions refused.

Values follow from state, so a repeated write is harmless. The values of a partition are written by
its owner alone and in order, so one key for each partition, with the newest version written, is
enough to refuse a script that comes late: of a former owner, or one that was given up and arrived
after all (equal is accepted). A partition's epoch key tells whether Redis still holds all of its
values: if not, everything is written again before anything else is. While Redis is away the caller
waits here, so its batch is not committed.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.rediskeys import EPOCH_COMPLETE, epoch_key, newest_key
from segue.config import Settings
from segue.telemetry import metrics
from segue.telemetry.health import Health
from segue.telemetry.logs import get_logger

if TYPE_CHECKING:
    from streams.task import PartitionTask

__all__ = ["RedisSink", "Values", "Write"]

logger = get_logger(__name__)

CHUNK_KEYS = 500  # Redis serves nobody else while a script runs: about 4 ms
RETRY_FIRST_S = 0.05
NEEDED_WAIT_S = 5.0
LOST = -1
REFUSED = -2

# For each partition, KEYS: epoch key, newest key, then the keys; ARGV: how many keys, wanted epoch
# ("" for any), version, seconds to live, then the values ("" deletes). Returns 0 for each
# partition, or why nothing of it was written.
WRITE_SCRIPT = f"""
local answers = {{}}
local k, a = 0, 0
while k < #KEYS do
  local count = tonumber(ARGV[a + 1])
  local wanted, version, ttl = ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local newest = redis.call('GET', KEYS[k + 2])
  if wanted ~= '' and redis.call('GET', KEYS[k + 1]) ~= wanted then
    answers[#answers + 1] = {LOST}
  elseif newest and newest > version then
    answers[#answers + 1] = {REFUSED}
  else
    redis.call('SET', KEYS[k + 2], version)
    for i = 1, count do
      local key, value = KEYS[k + 2 + i], ARGV[a + 4 + i]
      if value == '' then redis.call('DEL', key) else redis.call('SET', key, value, 'EX', ttl) end
    end
    answers[#answers + 1] = 0
  end
  k, a = k + 2 + count, a + 4 + count
end
return answers
"""
SWAP_SCRIPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class Values:
    """Keys and values of one kind and one version, to be written together; None deletes."""

    __slots__ = ("items", "kind", "ttl_s", "version")

    def __init__(
        self, kind: str, version: str, items: Sequence[tuple[str, bytes | None]], *, ttl_s: int
    ) -> None:
        self.kind = kind
        self.version = version
        self.items = items
        self.ttl_s = ttl_s


class Write(NamedTuple):
    """Values that follow from the state of a task."""

    task: "PartitionTask[Any]"
    values: Values


class RedisSink:
    """Versioned, bounded-lifetime writes with retry. One for a worker; safe to share."""

    def __init__(self, client: Redis, *, settings: Settings, health: Health) -> None:
        self._client = client
        self._settings = settings
        self._health = health
        self._write = client.register_script(WRITE_SCRIPT)
        self._swap = client.register_script(SWAP_SCRIPT)

    async def write(self, *writes: Write) -> None:
        """Write values that follow from the states of tasks. Returns when Redis holds them.

        A few scripts whatever the number of tasks. Retries as long as Redis is away; raises
        `Fenced` if one of the tasks is closed meanwhile.
        """
        started_s = time.perf_counter()
        for parts in _portions(writes):
            lost = await self._put(parts, EPOCH_COMPLETE)
            if lost:
                await self._wait_for(lost[0].task)
            for part in lost:
                while not await self._rewrite(part.task, part):
                    pass  # lost once more
        metrics.REDIS_WRITE.observe(time.perf_counter() - started_s)

    async def verify(self, task: "PartitionTask[Any]") -> None:
        """Write the whole partition again if Redis lost it; the task's lock must be free."""
        if await self._is_whole(task):
            return
        async with task.lock:
            if not await self._is_whole(task):  # an agent may have been quicker
                await self._wait_for(task)
                await self._rewrite(task)

    async def read(self, keys: Sequence[str], *tasks: "PartitionTask[Any]") -> list[bytes | None]:
        """Return the values of `keys`, None for each that is absent. Retries like `write`."""
        if not keys:
            return []
        found: list[bytes | None] = await self._retried(lambda: self._client.mget(keys), *tasks)
        return found

    async def announce(self, key: str, value: str, ttl_s: int) -> None:
        """Set a small key for a short time; nothing happens when Redis is away."""
        with contextlib.suppress(RedisError):
            await self._client.set(key, value, ex=ttl_s)

    async def take(self, key: str) -> bool:
        """Delete a key and tell whether it was there. False when Redis is away."""
        try:
            return bool(await self._client.delete(key))
        except RedisError:
            return False

    async def _is_whole(self, task: "PartitionTask[Any]") -> bool:
        held = await self._retried(lambda: self._client.get(_epoch(task)), task)
        return bool(held == EPOCH_COMPLETE.encode())

    async def _rewrite(self, task: "PartitionTask[Any]", lost: Write | None = None) -> bool:
        """Write everything that follows from the task's state, then mark the epoch complete.

        So what was `lost` when it should have been written is too, unless it belongs to a batch
        that has not moved the task yet. Returns False if Redis lost its data once more meanwhile:
        then the mark is gone.
        """
        epoch, mark = _epoch(task), f"rewriting:{secrets.token_hex(8)}"
        await self._retried(lambda: self._client.set(epoch, mark), task)
        keys_count, newest = 0, ""
        async for values in task.stage.everything(task):
            newest = max(newest, values.version)
            for parts in _portions([Write(task, values)]):
                await self._put(parts, "")
            keys_count += len(values.items)
        if lost is not None and lost.values.version >= newest:
            await self._put([lost], "")
        swap = await self._retried(
            lambda: self._swap(keys=[epoch], args=[mark, EPOCH_COMPLETE]), task
        )
        logger.info(
            "partition_rewritten", stage=task.stage.name, partition=task.partition, keys=keys_count
        )
        return bool(swap)

    async def _wait_for(self, task: "PartitionTask[Any]") -> None:
        """Give the stages whose values these are made from a bounded time to write theirs."""
        needed = [
            epoch_key(stage, partition)
            for stage in task.stage.needs
            for partition in range(self._settings.partitions)
        ]
        clock_s = asyncio.get_running_loop().time
        deadline_s = clock_s() + NEEDED_WAIT_S
        while needed and clock_s() < deadline_s:
            held = await self.read(needed, task)
            if all(value == EPOCH_COMPLETE.encode() for value in held):
                return
            self._health.beat(task.stage.name)
            await asyncio.sleep(RETRY_FIRST_S)

    async def _put(self, parts: Sequence[Write], wanted: str) -> list[Write]:
        """Write parts; returns those whose epoch was not the wanted one: nothing of them was."""
        keys: list[str] = []
        args: list[str | int | bytes] = []
        for task, values in parts:
            # What is written again is as of the last commit, so older than what was given out.
            task.newest_written = max(task.newest_written, values.version)
            keys += (_epoch(task), newest_key(task.stage.name, task.partition))
            keys += (key for key, _ in values.items)
            args += (len(values.items), wanted, task.newest_written, values.ttl_s)
            args += (value or b"" for _, value in values.items)
        tasks = [task for task, _ in parts]
        answers = await self._retried(lambda: self._write(keys=keys, args=args), *tasks)
        lost = []
        for part, answer in zip(parts, answers, strict=True):
            if answer == LOST:
                lost.append(part)
            else:
                outcome = "refused" if answer == REFUSED else "written"
                metrics.REDIS_KEYS.labels(part.values.kind, outcome).inc(len(part.values.items))
        return lost

    async def _retried(self, call: Callable[[], Any], *tasks: "PartitionTask[Any]") -> Any:
        """Call until Redis answers, with growing pauses; the stream stands still meanwhile."""
        pause_s = RETRY_FIRST_S
        away = False
        while True:
            for task in tasks:
                task.ensure_open()
            try:
                async with asyncio.timeout(self._settings.redis_timeout_s):
                    answer = await call()
            except (RedisError, TimeoutError, OSError) as error:
                if not away:
                    logger.warning("redis_away", error=repr(error))
                    self._health.not_ready("redis")
                away = True
                for task in tasks:  # waiting, not stuck: a restart would not help
                    self._health.beat(task.stage.name)
                metrics.REDIS_RETRIES.inc()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._settings.redis_retry_max_s)
            else:
                if away:
                    logger.info("redis_back")
                    self._health.ready("redis")
                return answer


def _epoch(task: "PartitionTask[Any]") -> str:
    return epoch_key(task.stage.name, task.partition)


def _portions(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Cut writes into what one script may hold."""
    portion: list[Write] = []
    room = CHUNK_KEYS
    for task, values in writes:
        items = values.items
        while items:
            part = Values(values.kind, values.version, items[:room], ttl_s=values.ttl_s)
            portion.append(Write(task, part))
            items, room = items[room:], room - len(part.items)
            if room == 0:
                yield portion
                portion, room = [], CHUNK_KEYS
    if portion:
        yield portion
