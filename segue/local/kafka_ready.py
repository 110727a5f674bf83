"""Is Kafka ready? Asked as a client would: by the protocol, never by sleeping or reading logs.

A broker that listens may still refuse everything: the first transaction and the first group make
internal topics, which takes a second on a fresh node. So ready means: all nodes are in the
metadata, a transaction of one record was committed (transaction coordinator), the record was read
back, and its offset was committed (group coordinator).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import BrokerNotAvailableError, KafkaError, TopicAlreadyExistsError

from segue.errors import Unavailable

TOPIC = "segue-local-ready"
POLL_S = 0.05
RETRY_S = 0.2
REQUEST_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is asked: at which address, how many nodes must be there, how often topics are kept."""

    bootstrap: str
    nodes_min: int
    replication: int


async def wait_ready(cluster: Cluster, *, timeout_s: float, still_up: Callable[[], None]) -> None:
    """Wait until a local cluster serves. `still_up` raises when waiting is in vain.

    Raises Unavailable after `timeout_s`.
    """
    with _quiet_aiokafka():
        check = asyncio.ensure_future(_serves(cluster))
        try:
            async with asyncio.timeout(timeout_s):
                while not check.done():
                    still_up()
                    await asyncio.wait({check}, timeout=POLL_S)
            check.result()
        except TimeoutError:
            raise Unavailable(
                f"Kafka at {cluster.bootstrap} was not ready within {timeout_s:.0f} s",
                what="kafka",
                remedy="see its log; on a very slow machine start it again",
            ) from None
        finally:
            check.cancel()
            await asyncio.gather(check, return_exceptions=True)


async def check_reachable(options: Mapping[str, Any], *, timeout_s: float = 10.0) -> None:
    """Ask an outside Kafka for its metadata. `options` are aiokafka's client options.

    Raises Unavailable when it does not answer within `timeout_s`.
    """
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        with _quiet_aiokafka():
            async with asyncio.timeout(timeout_s):
                await admin.start()
                await admin.describe_cluster()
    except (KafkaError, TimeoutError, OSError) as error:
        raise Unavailable(
            f"Kafka at {options['bootstrap_servers']} does not answer "
            f"({str(error) or type(error).__name__})",
            what="kafka",
            remedy="check SEGUE_KAFKA_BOOTSTRAP and the SEGUE_KAFKA_* security settings",
        ) from error
    finally:
        await admin.close()


async def _serves(cluster: Cluster) -> None:
    """Return once all that this module's docstring names has worked. Bounded by the caller."""
    host, _, port = cluster.bootstrap.partition(",")[0].rpartition(":")
    await _listens(host, int(port))
    for step in (_register, _transact):
        while True:
            try:
                await step(cluster)
                break
            except (KafkaError, OSError):
                await asyncio.sleep(RETRY_S)


async def _listens(host: str, port: int) -> None:
    """Wait for the port first: aiokafka's own attempts on a closed one are slower to notice."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(POLL_S)
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return


async def _register(cluster: Cluster) -> None:
    """See that the nodes are in the metadata, then make the topic of the test record."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=cluster.bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
        known = len((await admin.describe_cluster())["brokers"])
        if known < cluster.nodes_min:
            raise BrokerNotAvailableError(f"{known} of {cluster.nodes_min} nodes")
        topic = NewTopic(TOPIC, 1, cluster.replication, topic_configs={"retention.ms": "60000"})
        with contextlib.suppress(TopicAlreadyExistsError):
            await admin.create_topics([topic])
    finally:
        await admin.close()


async def _transact(cluster: Cluster) -> None:
    """Write a record in a transaction, read it back committed, commit its offset."""
    marker = uuid.uuid4().bytes
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap,
        transactional_id=f"{TOPIC}-{cluster.bootstrap}",  # two that check must not fence each other
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap,
        group_id=TOPIC,
        enable_auto_commit=False,
        isolation_level="read_committed",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await producer.start()
        async with producer.transaction():
            sent = await producer.send_and_wait(TOPIC, marker, partition=0)
        await consumer.start()
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        consumer.seek(partition, sent.offset)
        record = await consumer.getone()
        assert record.value == marker, "the record read is not the one written"
        await consumer.commit({partition: record.offset + 1})
    finally:
        await consumer.stop()
        await producer.stop()


@contextlib.contextmanager
def _quiet_aiokafka() -> Iterator[None]:
    """Silence aiokafka while refusals are what we wait out."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
