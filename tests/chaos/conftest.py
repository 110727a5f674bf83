"""One real Kafka for the tests here that need no other; a Redis of its own for each."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from segue.local import KafkaCluster, RedisNode
from segue.testing import redis_server


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
