"""Real Kafka and Redis for a test: on free ports, in a folder that goes with them."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from segue.config import Settings, load_settings
from segue.local import KafkaCluster, RedisNode

__all__ = ["fresh_settings", "kafka_cluster", "redis_server"]


@asynccontextmanager
async def kafka_cluster(
    nodes: int = 1, *, directory: Path | None = None, heap_mb: int = 384
) -> AsyncIterator[KafkaCluster]:
    """Run Kafka with 1 or 3 nodes for a block; `bootstrap` of the result is its address.

    Takes 3 to 10 s, so share one among tests by a fixture of session scope, and give each test
    topics of its own (`fresh_settings`). Not bound to the event loop that started it.
    """
    with _folder(directory) as folder:
        async with KafkaCluster(folder / "kafka", nodes, heap_mb=heap_mb) as cluster:
            yield cluster


@asynccontextmanager
async def redis_server(*, directory: Path | None = None) -> AsyncIterator[RedisNode]:
    """Run an empty Redis for a block; `url` of the result is its address. Takes 50 ms."""
    with _folder(directory) as folder:
        async with RedisNode(folder / "redis") as node:
            yield node


def fresh_settings(
    kafka: KafkaCluster | None = None, redis: RedisNode | None = None, **overrides: Any
) -> Settings:
    """Return settings for these servers with topics and groups that no other test has.

    Ports are free ones. No .env is read; the environment is, as everywhere.
    """
    run = uuid.uuid4().hex[:12]
    given: dict[str, Any] = {
        "topic_prefix": f"test-{run}.",
        "group_prefix": f"test-{run}-",
        "web_port": 0,
        "local_kafka_port": 0,
        "local_redis_port": 0,
        "vectors_max": 10_000,
    }
    if kafka is not None:
        given["kafka_bootstrap"] = kafka.bootstrap
        given["replication_factor"] = len(kafka.nodes)
    if redis is not None:
        given["redis_url"] = redis.url
    return load_settings(env_file=Path("/nonexistent/.env"), **{**given, **overrides})


@contextmanager
def _folder(directory: Path | None) -> Iterator[Path]:
    """Give `directory`, which stays, or a temporary one, which goes."""
    if directory is not None:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="segue-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)
