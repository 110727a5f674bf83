"""One real Kafka for all tests here; a Redis, topics and groups of its own for each."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from segue.clock import SystemClock
from segue.config import Settings
from segue.local import KafkaCluster, RedisNode
from segue.testing import fresh_settings, redis_server
from segue.testing.crew import Crew
from streams.admin import apply_changes


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
async def settings(kafka: KafkaCluster, redis: RedisNode) -> Settings:
    made = fresh_settings(kafka, redis)
    await apply_changes(made, SystemClock())
    return made


@pytest.fixture
async def crew(settings: Settings, tmp_path: Path) -> AsyncIterator[Crew]:
    async with Crew(settings, tmp_path) as workers:
        yield workers
