"""The sink against a real Redis: versions, lives, loss and absence."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.outputs import format_version
from schemas.rediskeys import EPOCH_COMPLETE, epoch_key, newest_key
from segue.errors import Fenced
from segue.local import RedisNode
from segue.telemetry import metrics
from segue.telemetry.health import Health
from segue.testing import TcpProxy, eventually, fresh_settings, redis_server
from segue.testing.counting import CountState
from segue.testing.memory_app import MemoryApp
from segue.testing.memory_redis import MemoryRedis
from segue.testing.memory_sink import MemorySink
from segue.testing.memory_stage import TTL_S, MemoryStage, count_value, open_task
from streams.sinks.redis import RedisSink, Values, Write
from streams.task import PartitionTask
from streams.tasks import TaskGroup

EPOCH, NEWEST = epoch_key("counts", 0), newest_key("counts", 0)
SETTINGS = fresh_settings(redis_timeout_s=0.2, redis_retry_max_s=0.1, partitions=2)


@dataclass
class Bed:
    """A sink, its task, and the server behind both."""

    server: RedisNode
    client: Redis
    sink: RedisSink
    health: Health
    task: PartitionTask[CountState]

    @property
    def stage(self) -> MemoryStage:
        assert isinstance(self.task.stage, MemoryStage)
        return self.task.stage

    async def get(self, key: str) -> bytes | None:
        found = await self.client.get(key)
        assert not isinstance(found, str), "the client decodes nothing"
        return found

    async def put(self, key: str, count: int, offset: int, *, epoch_ms: int = 1) -> None:
        """Write a count, as an owner that wrote nothing before."""
        value = count_value(key, count, offset, epoch_ms=epoch_ms)
        version = format_version(epoch_ms, offset)
        self.task.newest_written = ""
        await self.sink.write(
            Write(self.task, Values("list", version, [(key, value)], ttl_s=TTL_S))
        )


@pytest.fixture
async def server() -> AsyncIterator[RedisNode]:
    async with redis_server() as node:
        yield node


@pytest.fixture
async def bed(server: RedisNode) -> AsyncIterator[Bed]:
    async with new_client(server.port) as client:
        yield await new_bed(server, client)


def new_client(port: int) -> Redis:
    return Redis(port=port, protocol=2, retry=Retry(NoBackoff(), 0))


async def new_bed(server: RedisNode, client: Redis) -> Bed:
    health = Health()
    app = MemoryApp(health=health)
    group = TaskGroup(MemoryStage(), app=app.as_segue_app, settings=SETTINGS)
    task = await open_task(group)
    return Bed(server, client, RedisSink(client, settings=SETTINGS, health=health), health, task)


def refused() -> float:
    return float(metrics.REDIS_KEYS.labels("list", "refused")._value.get())


# ------------------------------------------------------------------ versions


async def test_older_version_is_refused_and_equal_and_newer_are_taken(bed: Bed) -> None:
    before = refused()
    await bed.put("k", 1, 10)
    await bed.put("k", 2, 9)
    assert await bed.get("k") == count_value("k", 1, 10)
    assert refused() == before + 1
    await bed.put("k", 3, 10)
    assert await bed.get("k") == count_value("k", 3, 10)
    await bed.put("k", 4, 11)
    assert await bed.get("k") == count_value("k", 4, 11)
    assert refused() == before + 1


async def test_script_that_comes_late_is_refused_whatever_its_keys(bed: Bed) -> None:
    await bed.put("k", 1, 10)
    await bed.put("other", 2, 9)
    assert await bed.get("other") is None


async def test_what_an_owner_writes_again_is_taken_though_it_is_as_of_its_last_commit(
    bed: Bed,
) -> None:
    bed.task.state.add("a")
    await bed.put("k", 1, 10)  # of a batch that is not committed: the task stands at 0
    await bed.client.delete(EPOCH, "count:a")
    await bed.sink.verify(bed.task)
    assert await bed.get("count:a") == count_value("a", 1, 0)
    assert await bed.get(NEWEST) == format_version(1, 10).encode()


async def test_topic_made_anew_outranks_any_offset_of_the_old(bed: Bed) -> None:
    await bed.put("k", 1, 999_999, epoch_ms=1)
    await bed.put("k", 2, 0, epoch_ms=2)
    assert await bed.get("k") == count_value("k", 2, 0, epoch_ms=2)


async def test_values_live_for_their_time_and_each_write_renews_it(bed: Bed) -> None:
    await bed.put("k", 1, 1)
    assert TTL_S - 5 <= await bed.client.ttl("k") <= TTL_S
    await bed.client.expire("k", 7)
    await bed.put("k", 1, 1)
    assert TTL_S - 5 <= await bed.client.ttl("k") <= TTL_S
    assert await bed.client.ttl(EPOCH) == -1  # the mark itself stays


async def test_more_keys_than_a_script_takes_are_all_written(bed: Bed) -> None:
    items = [(f"k{n}", count_value("k", n, 1)) for n in range(1203)]
    await bed.sink.write(Write(bed.task, Values("list", format_version(1, 1), items, ttl_s=TTL_S)))
    assert await bed.sink.read([key for key, _ in items], bed.task) == [v for _, v in items]


async def test_reading_no_keys_asks_nobody(bed: Bed) -> None:
    await bed.server.stop()
    assert await bed.sink.read([], bed.task) == []


async def test_double_refuses_and_takes_what_redis_does(bed: Bed) -> None:
    """`MemoryRedis` is believed by other tests: the same writes leave the same data and lives."""
    double = MemorySink(SETTINGS, Health(), MemoryRedis())
    steps = [("a", 1, 10), ("b", 1, 3), ("a", 2, 9), ("a", 3, 10), ("b", 2, 11), ("b", 3, 4)]
    steps += [("a", 0, 5), ("c", 1, 12), ("c", 0, 13), ("b", 0, 12)]  # 0: to be deleted
    for key, count, offset in steps:
        for sink in (bed.sink, double):
            bed.task.newest_written = ""
            value = count_value(key, count, offset) if count else None
            version = format_version(1, offset)
            await sink.write(Write(bed.task, Values("list", version, [(key, value)], ttl_s=TTL_S)))
    found = await bed.client.keys("*")
    keys = sorted(key.decode() for key in found if isinstance(key, bytes))
    assert keys == sorted(double.redis.data)
    assert {"a", "b"} < {*keys}
    assert "c" not in keys
    for key in keys:
        assert await bed.get(key) == double.redis.data[key]
        assert (await bed.client.ttl(key) > 0) == (key in double.redis.ttl_s)
    for held in (True, False):
        assert (await double.take("a"), await bed.sink.take("a")) == (held, held)


async def test_one_script_answers_for_each_partition(server: RedisNode) -> None:
    """One is taken, one refused, one lost and written again: none in the place of another."""
    async with new_client(server.port) as client:
        bed = await new_bed(server, client)
        group = TaskGroup(MemoryStage("more"), app=MemoryApp().as_segue_app, settings=SETTINGS)
        tasks = [bed.task, *[await open_task(group, number) for number in range(2)]]
        for task in tasks:
            await bed.sink.verify(task)
        await client.set(newest_key("more", 0), format_version(1, 99))
        tasks[2].state.add("lost")
        await client.delete(epoch_key("more", 1))
        before = refused()
        await bed.sink.write(
            *(
                Write(task, Values("list", format_version(1, 5), [(key, b"new")], ttl_s=TTL_S))
                for task, key in zip(tasks, "abc", strict=True)
            )
        )
        assert await client.mget("a", "b", "c", "count:lost") == [
            *(b"new", None, b"new"),
            count_value("lost", 1, 0),
        ]
        assert refused() == before + 1


async def test_several_partitions_are_one_script(server: RedisNode) -> None:
    async with new_client(server.port) as client:
        bed = await new_bed(server, client)
        group = TaskGroup(MemoryStage("more"), app=MemoryApp().as_segue_app, settings=SETTINGS)
        tasks = [bed.task, await open_task(group)]
        for task in tasks:
            await bed.sink.verify(task)
        values = Values("list", format_version(1, 5), [("a", b"new")], ttl_s=TTL_S)
        await bed.sink.write(Write(bed.task, values))  # the server learns the script
        before = await scripts_run(client)
        await bed.sink.write(*(Write(task, values) for task in tasks))
        assert await scripts_run(client) == before + 1


async def scripts_run(client: Redis) -> int:
    stats = (await client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})
    return int(stats["calls"])


# ------------------------------------------------------------------ loss


async def test_what_was_lost_is_not_written_over_what_is_newer() -> None:
    """The state goes on while a value of it is on its way into a Redis that lost everything."""

    async def learn_meanwhile(command: str) -> None:
        if command == "redis-set" and not task.state.counts:
            task.state.add("a")
            task.advance("in", 1, [], 1)

    redis = MemoryRedis(learn_meanwhile)
    group = TaskGroup(MemoryStage(), app=MemoryApp().as_segue_app, settings=SETTINGS)
    sink = MemorySink(SETTINGS, Health(), redis)
    task = await open_task(group)
    stale = Values("list", format_version(1, 0), [("count:a", count_value("a", 0, 0))], ttl_s=TTL_S)
    await sink.write(Write(task, stale))
    assert redis.data["count:a"] == count_value("a", 1, 1)


async def test_who_comes_second_does_not_write_all_of_it_again(bed: Bed) -> None:
    rewritten: list[bool] = []
    everything = bed.stage.everything

    async def counted(task: PartitionTask[CountState]) -> AsyncIterator[Values]:
        rewritten.append(True)
        async for values in everything(task):
            yield values

    bed.stage.everything = counted  # type: ignore[method-assign]  # counts how often
    async with bed.task.lock:  # an agent at work finds the loss while another asks
        verifying = asyncio.create_task(bed.sink.verify(bed.task))
        await bed.put("k", 1, 1)
    await verifying
    assert rewritten == [True]


async def test_first_write_into_an_empty_redis_writes_everything(bed: Bed) -> None:
    for key in "abcde":
        bed.task.state.add(key)
    await bed.put("other", 1, 1)
    assert await bed.get(EPOCH) == EPOCH_COMPLETE.encode()
    for key in "abcde":
        assert await bed.get(f"count:{key}") == count_value(key, 1, 0)
    assert await bed.get("other") == count_value("other", 1, 1)


async def test_lost_data_is_written_again_before_anything_else(bed: Bed) -> None:
    bed.task.state.add("a")
    await bed.sink.verify(bed.task)
    await bed.client.flushall()
    bed.task.state.add("b")
    await bed.put("new", 1, 1)
    assert {*await bed.client.keys("*")} == {
        *(b"count:a", b"count:b", b"new"),
        *(EPOCH.encode(), NEWEST.encode()),
    }


async def test_verify_writes_nothing_while_the_mark_stands(bed: Bed) -> None:
    await bed.sink.verify(bed.task)
    bed.task.state.add("a")
    await bed.sink.verify(bed.task)
    assert await bed.get("count:a") is None
    await bed.client.flushall()
    await bed.sink.verify(bed.task)
    assert await bed.get("count:a") == count_value("a", 1, 0)


async def test_rewriting_cut_short_by_another_loss_begins_again(bed: Bed) -> None:
    for key in "abcdef":
        bed.task.state.add(key)
    stage, losses = bed.stage, iter([True])
    everything = stage.everything

    async def interrupted(task: PartitionTask[CountState]) -> AsyncIterator[Values]:
        async for values in everything(task):
            yield values
            if next(losses, False):
                await bed.client.flushall()

    stage.everything = interrupted  # type: ignore[method-assign]  # a stage that meets a loss
    await bed.put("new", 1, 1)
    assert await bed.get(EPOCH) == EPOCH_COMPLETE.encode()
    assert {*await bed.client.keys("count:*")} == {f"count:{key}".encode() for key in "abcdef"}
    assert await bed.get("new") == count_value("new", 1, 1)


async def test_mark_of_a_worker_that_died_while_rewriting_is_not_believed(bed: Bed) -> None:
    bed.task.state.add("a")
    await bed.client.set(EPOCH, "rewriting:0123456789abcdef")
    await bed.sink.verify(bed.task)
    assert await bed.get("count:a") == count_value("a", 1, 0)
    assert await bed.get(EPOCH) == EPOCH_COMPLETE.encode()


async def test_rewriting_waits_for_the_stages_it_is_made_from(bed: Bed) -> None:
    bed.stage.needs = ("rows",)
    bed.task.state.add("a")
    rewriting = asyncio.create_task(bed.sink.verify(bed.task))
    await bed.client.set(epoch_key("rows", 0), EPOCH_COMPLETE)
    done, _ = await asyncio.wait([rewriting], timeout=0.3)
    assert not done
    assert await bed.get("count:a") is None
    await bed.client.set(epoch_key("rows", 1), EPOCH_COMPLETE)
    await rewriting
    assert await bed.get("count:a") == count_value("a", 1, 0)


# ------------------------------------------------------------------ absence


async def test_write_waits_while_redis_is_away_and_goes_on(server: RedisNode) -> None:
    async with TcpProxy(server.port) as proxy, new_client(proxy.port) as client:
        bed = await new_bed(server, client)
        await bed.put("k", 1, 1)
        await proxy.cut()
        before = metrics.REDIS_RETRIES._value.get()
        writing = asyncio.create_task(bed.put("k", 2, 2))
        await eventually(lambda: metrics.REDIS_RETRIES._value.get() >= before + 2, 5)
        assert bed.health.readiness() == (False, ["redis"])
        assert not writing.done()
        proxy.mend()
        await writing
        assert await bed.get("k") == count_value("k", 2, 2)
        assert bed.health.readiness() == (True, [])


async def test_answer_that_comes_too_late_is_asked_for_again(server: RedisNode) -> None:
    async with TcpProxy(server.port) as proxy, new_client(proxy.port) as client:
        bed = await new_bed(server, client)
        await bed.put("k", 1, 1)
        proxy.delay_s = 2 * SETTINGS.redis_timeout_s
        before = metrics.REDIS_RETRIES._value.get()
        writing = asyncio.create_task(bed.put("k", 2, 2))
        await eventually(lambda: metrics.REDIS_RETRIES._value.get() > before, 5)
        proxy.delay_s = 0.0
        await writing
        assert await bed.get("k") == count_value("k", 2, 2)


async def test_slow_redis_within_the_timeout_is_waited_for_once(server: RedisNode) -> None:
    async with TcpProxy(server.port) as proxy, new_client(proxy.port) as client:
        bed = await new_bed(server, client)
        await bed.put("k", 1, 1)
        proxy.delay_s = SETTINGS.redis_timeout_s / 4
        before = metrics.REDIS_RETRIES._value.get()
        await bed.put("k", 2, 2)
        assert metrics.REDIS_RETRIES._value.get() == before
        assert await bed.get("k") == count_value("k", 2, 2)


async def test_task_closed_while_it_waits_is_fenced(server: RedisNode) -> None:
    async with TcpProxy(server.port) as proxy, new_client(proxy.port) as client:
        bed = await new_bed(server, client)
        await bed.put("k", 1, 1)
        await proxy.cut()
        before = metrics.REDIS_RETRIES._value.get()
        writing = asyncio.create_task(bed.put("k", 2, 2))
        await eventually(lambda: metrics.REDIS_RETRIES._value.get() > before, 5)
        bed.task.opened = False
        with pytest.raises(Fenced):
            await writing
        proxy.mend()
        assert await bed.get("k") == count_value("k", 1, 1)


async def test_redis_killed_and_back_with_its_file_keeps_what_it_answered(bed: Bed) -> None:
    await bed.put("k", 1, 1)
    await bed.server.kill()
    writing = asyncio.create_task(bed.put("k", 2, 2))
    await eventually(lambda: not bed.health.readiness()[0], 5)
    await bed.server.start()
    await writing
    assert await bed.get("k") == count_value("k", 2, 2)


async def test_small_keys_neither_wait_nor_fail_while_redis_is_away(bed: Bed) -> None:
    await bed.sink.announce("paused", "why", 30)
    assert 0 < await bed.client.ttl("paused") <= 30
    assert await bed.sink.take("paused")
    assert not await bed.sink.take("paused")
    await bed.server.stop()
    await bed.sink.announce("paused", "why", 30)
    assert not await bed.sink.take("paused")
