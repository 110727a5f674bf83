"""A small compressed message that unpacks to many megabytes is one dead letter, not an end."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from schemas.internal import DEAD_LETTER_VALUE_BYTES_MAX
from schemas.registry import PLAYS
from segue.local.stack import LocalStack
from segue.testing import fresh_settings
from streams.deadletters import read_dead_letters

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BOMB_BYTES = 20_000_000


async def test_compressed_bomb_is_one_dead_letter_and_the_worker_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = fresh_settings(data_dir=tmp_path_factory.mktemp("stack"))
    async with LocalStack(settings) as stack:
        await stack.wait_ready(120)
        local = settings.model_copy(update={"kafka_bootstrap": stack.endpoints.kafka_bootstrap})
        producer = AIOKafkaProducer(
            bootstrap_servers=local.kafka_bootstrap,
            compression_type="gzip",
            max_batch_size=2 * BOMB_BYTES,
            max_request_size=2 * BOMB_BYTES,
        )
        async with producer:
            topic = PLAYS.topic(local.topic_prefix)
            await producer.send_and_wait(topic, b" " * BOMB_BYTES, key=b"bomb", partition=0)
            await producer.send_and_wait(topic, b"after", key=b"after", partition=0)
        async with asyncio.timeout(60):
            while len(letters := await read_dead_letters(local)) < 2:
                await asyncio.sleep(0.2)
        assert [(letter.key, letter.reason) for letter in letters] == [
            (b"bomb", "too_large"),
            (b"after", "not_json"),
        ]
        assert len(letters[0].value) == DEAD_LETTER_VALUE_BYTES_MAX
        assert [row.restarts for row in stack.state().services] == [0, 0, 0]
