"""The servers that `segue.testing` gives to tests are real and go away with their block."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from segue.testing import TcpProxy, fresh_settings, kafka_cluster, redis_server

pytestmark = pytest.mark.integration


async def test_kafka_and_redis_of_a_test_work_by_its_settings_and_end_with_it() -> None:
    async with kafka_cluster() as kafka, redis_server() as redis:
        settings = fresh_settings(kafka, redis)
        options = settings.kafka_client_options()
        topic = f"{settings.topic_prefix}plays.v1"
        admin = AIOKafkaAdminClient(**options)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, 1, settings.replication_factor)])
        finally:
            await admin.close()
        async with AIOKafkaProducer(**options) as producer:
            await producer.send_and_wait(topic, b"play")
        async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **options) as consumer:
            async with asyncio.timeout(20):
                record = await consumer.getone()
        assert record.value == b"play"
        async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
            assert await client.ping()
        folder = kafka.nodes[0].directory
        assert folder.exists()
    assert [node.pid for node in kafka.nodes] == [None]
    assert not folder.exists()


async def test_redis_behind_a_proxy_works_by_its_settings() -> None:
    async with redis_server() as redis, TcpProxy(redis.port) as proxy:
        settings = fresh_settings(redis=redis, redis_url=f"redis://127.0.0.1:{proxy.port}/0")
        async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
            assert await client.set("key", "value")
        assert proxy.connections == 1
