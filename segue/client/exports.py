"""Asks for what is kept of a listener, and waits for the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas.events import PrivacyRequest
from schemas.privacy import ListenerExport, decode_export
from schemas.registry import PRIVACY_EXPORTS
from segue.client.producer import PlayProducer
from segue.errors import Unavailable

__all__ = ["fetch_export"]


# Any: the options are aiokafka's, which publishes no types.
async def fetch_export(
    producer: PlayProducer,
    request: PrivacyRequest,
    *,
    timeout_s: float,
    topic_prefix: str = "segue.",
    **kafka_options: Any,
) -> ListenerExport:
    """Send a request of kind `export` by a started producer and return its answer.

    `kafka_options` are those of the producer, `bootstrap_servers` among them. Raises Unavailable
    when Kafka does not take the request, or when no answer comes in time.
    """
    consumer = AIOKafkaConsumer(
        PRIVACY_EXPORTS.topic(topic_prefix),
        **kafka_options,
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    try:
        async with asyncio.timeout(timeout_s):
            await consumer.start()
            await consumer.seek_to_end()
            for partition in consumer.assignment():
                await consumer.position(partition)  # the end is found before the request is sent
            await producer.send_privacy(request)
            await producer.flush()
            async for record in consumer:
                export = decode_export(record.value)
                if export.event_id == request.event_id:
                    return export
    except TimeoutError as error:
        raise _unanswered(timeout_s) from error
    except KafkaError as error:
        raise Unavailable(
            f"Kafka does not answer: {error!r}", what="kafka", remedy="check the broker, ask again"
        ) from error
    finally:
        await consumer.stop()
    raise _unanswered(timeout_s)


def _unanswered(timeout_s: float) -> Unavailable:
    return Unavailable(
        f"no worker answered within {timeout_s:g} s",
        what="workers",
        remedy="see that workers of the role recommend are ready (segue status), then ask again",
    )
