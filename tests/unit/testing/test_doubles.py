"""The tools that other tests trust."""

import asyncio
import time

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from segue.testing import ManualClock, TcpProxy, eventually, fresh_settings, redis_server


def client(port: int, timeout_s: float = 5.0) -> Redis:
    return Redis(port=port, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0))


def test_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock(1_000)
    assert (clock.now_ms(), clock.monotonic_s()) == (1_000, 0.0)
    clock.advance(s=2, ms=500)
    assert (clock.now_ms(), clock.monotonic_s()) == (3_500, 2.5)
    clock.set_now(10)
    assert (clock.now_ms(), clock.monotonic_s()) == (10, 2.5)
    with pytest.raises(ValueError, match="-1 ms"):
        clock.advance(ms=-1)


async def test_eventually_returns_the_first_true_result() -> None:
    results = iter([0, "", None, 7, 8])
    assert await eventually(lambda: next(results), 5, interval_s=0) == 7


async def test_eventually_awaits_async_predicates() -> None:
    async def seven() -> int:
        return 7

    assert await eventually(seven, 5) == 7


async def test_eventually_says_what_did_not_happen() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.05 s: a list \(last result: \[\]\)"):
        await eventually(list, 0.05, claim="a list")


async def test_eventually_ends_a_predicate_that_hangs() -> None:
    async def hangs() -> bool:
        await asyncio.sleep(60)
        return True

    with pytest.raises(AssertionError, match=r"not within 0.05 s: hangs"):
        await eventually(hangs, 0.05)


async def test_eventually_passes_errors_of_the_predicate_on() -> None:
    async def fails() -> bool:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await eventually(fails, 60)


def test_two_settings_of_tests_share_no_name() -> None:
    one, other = fresh_settings(), fresh_settings()
    assert one.topic_prefix != other.topic_prefix
    assert one.group_prefix != other.group_prefix


async def test_proxy_passes_delays_stalls_and_cuts() -> None:
    async with redis_server() as redis, TcpProxy(redis.port) as proxy, client(proxy.port) as near:
        await near.set("key", "value")
        assert await near.get("key") == b"value"

        proxy.delay_s = 0.2
        started_s = time.monotonic()
        await near.ping()
        assert time.monotonic() - started_s >= 0.2
        proxy.delay_s = 0.0

        proxy.stall()
        waiting = asyncio.ensure_future(near.get("key"))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        proxy.flow()
        assert await waiting == b"value"

        await proxy.cut()
        with pytest.raises(RedisError):
            await near.ping()
        proxy.mend()
        assert await near.get("key") == b"value"
        assert proxy.connections >= 2


async def test_proxy_of_nothing_ends_connections_at_once() -> None:
    async with redis_server() as redis:
        port = redis.port
    async with TcpProxy(port) as proxy, client(proxy.port) as near:
        with pytest.raises(RedisError):
            await near.ping()


async def test_redis_server_leaves_nothing_behind() -> None:
    async with redis_server() as redis:
        folder, pid = redis.directory, redis.pid
        assert pid is not None
        assert folder.exists()
    assert redis.pid is None
    assert not folder.exists()
