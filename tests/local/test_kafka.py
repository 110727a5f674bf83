"""A real Kafka node: formatted once, ready by the protocol, what is committed survives a kill."""

import socket
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from segue.errors import Misconfigured, Unavailable
from segue.local.kafka_cluster import KafkaCluster
from segue.local.kafka_node import KafkaNode
from segue.local.kafka_properties import server_properties
from segue.local.kafka_ready import check_reachable
from segue.local.ports import LOOPBACK, free_port


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, value, partition=0)


async def consume_all(bootstrap: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]
    finally:
        await consumer.stop()


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_node_keeps_its_records_over_a_kill_and_a_restart(tmp_path: Path) -> None:
    node = KafkaNode(tmp_path / "node", free_port(), free_port())
    await node.start()
    await node.wait_ready()
    admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    await produce(node.bootstrap, "kept", b"before the kill")
    identity = (node.directory / "data" / "meta.properties").read_text()
    first_pid = node.pid

    await node.kill()
    assert node.pid is None
    with pytest.raises(Unavailable, match="kafka-1 ended with -9"):
        await node.wait_ready()

    await node.start()
    await node.wait_ready()
    assert node.pid != first_pid
    await produce(node.bootstrap, "kept", b"after it")
    assert await consume_all(node.bootstrap, "kept") == [b"before the kill", b"after it"]
    await node.stop()
    assert node.process.exit_code in (0, 143)
    assert (node.directory / "data" / "meta.properties").read_text() == identity

    began_s = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        await check_reachable({"bootstrap_servers": node.bootstrap}, timeout_s=2.0)
    assert time.monotonic() - began_s < 5


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_three_nodes_replicate_and_serve_without_one(tmp_path: Path) -> None:
    async with KafkaCluster(tmp_path, 3, heap_mb=192) as cluster:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        assert len((await admin.describe_cluster())["brokers"]) == 3
        await admin.create_topics([NewTopic("kept", 1, 3)])
        await admin.close()
        await produce(cluster.bootstrap, "kept", b"three")
        await cluster.nodes[0].kill()
        await produce(cluster.bootstrap, "kept", b"two")
        assert await consume_all(cluster.bootstrap, "kept") == [b"three", b"two"]


async def test_taken_port_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        node = KafkaNode(tmp_path / "node", server.getsockname()[1], free_port())
        with pytest.raises(Misconfigured, match="is taken"):
            await node.start()
    assert not (tmp_path / "node").exists()


def test_two_nodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="1 or 3 nodes, not 2"):
        KafkaCluster(tmp_path, 2)


@pytest.mark.parametrize(("nodes", "replication", "in_sync"), [(1, 1, 1), (3, 3, 2)])
def test_replication_follows_from_the_number_of_nodes(
    nodes: int, replication: int, in_sync: int
) -> None:
    voters = {node_id: 20_000 + node_id for node_id in range(1, nodes + 1)}
    text = server_properties(node_id=1, port=19_092, voters=voters, log_dir=Path("data"))
    properties = dict(line.split("=", 1) for line in text.splitlines())
    for name in ("default", "offsets.topic", "transaction.state.log"):
        assert properties[f"{name}.replication.factor"] == str(replication)
    assert properties["transaction.state.log.min.isr"] == str(in_sync)
    assert properties["min.insync.replicas"] == str(in_sync)
    listeners = properties["listeners"].split(",")
    assert all(f"//{LOOPBACK}:" in listener for listener in listeners)
