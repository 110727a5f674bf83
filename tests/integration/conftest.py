"""One real Kafka for all tests here; a Redis, topics and groups of its own for each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.clock import SystemClock
from segue.config import Settings
from segue.local import KafkaCluster, RedisNode
from segue.testing import fresh_settings, redis_server
from segue.testing.crew import Crew
from streams.admin import apply_changes

Prepare = Callable[..., Awaitable[Settings]]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"))
    asyncio.run(cluster.start())
    yield cluster
    asyncio.run(cluster.stop())


@pytest.fixture
async def redis() -> AsyncIterator[RedisNode]:
    async with redis_server() as node:
        yield node


@pytest.fixture
async def prepare(kafka: KafkaCluster, redis: RedisNode) -> Prepare:
    """Settings with overrides, their topics created."""

    async def prepared(**overrides: Any) -> Settings:
        settings = fresh_settings(kafka, redis, **overrides)
        await apply_changes(settings, SystemClock())
        return settings

    return prepared


@pytest.fixture
async def settings(prepare: Prepare) -> Settings:
    return await prepare()


@pytest.fixture
async def crew(settings: Settings, tmp_path: Path) -> AsyncIterator[Crew]:
    async with Crew(settings, tmp_path) as workers:
        yield workers
