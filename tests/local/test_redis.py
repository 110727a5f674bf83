"""A real redis-server: what it answered survives a kill of its process."""

import socket
from pathlib import Path

import pytest
from redis.asyncio import Redis

from segue.errors import Misconfigured, Unavailable
from segue.local.ports import LOOPBACK
from segue.local.redis_node import RedisNode, check_reachable, find_redis_server


async def test_answered_write_survives_a_kill(tmp_path: Path) -> None:
    async with RedisNode(tmp_path) as node:
        async with Redis.from_url(node.url) as client:
            await client.set("segue:test", "kept")
        await node.kill()
        with pytest.raises(Unavailable, match="redis-server ended with -9"):
            await node.wait_ready()
        await node.start()
        await node.wait_ready()
        async with Redis.from_url(node.url) as client:
            assert await client.get("segue:test") == b"kept"
    assert node.pid is None


async def test_server_listens_on_the_loopback_only(tmp_path: Path) -> None:
    async with RedisNode(tmp_path) as node, Redis.from_url(node.url) as client:
        assert (await client.config_get("bind"))["bind"] == LOOPBACK


async def test_taken_port_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        node = RedisNode(tmp_path, server.getsockname()[1])
        with pytest.raises(Misconfigured) as caught:
            await node.start()
    assert caught.value.setting == "SEGUE_LOCAL_REDIS_PORT"


def test_missing_server_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Misconfigured, match="no redis-server on PATH") as caught:
        find_redis_server()
    assert "apt-get install redis-server" in caught.value.remedy
    assert "SEGUE_REDIS_URL" in caught.value.remedy


async def test_unreachable_outside_server_does_not_show_the_password() -> None:
    with pytest.raises(Unavailable) as caught:
        await check_reachable("redis://:secret@127.0.0.1:1/0", timeout_s=1.0)
    assert "secret" not in f"{caught.value} {caught.value.remedy}"
    assert "SEGUE_REDIS_URL" in str(caught.value)
