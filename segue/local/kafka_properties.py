"""The server.properties of a small Kafka node, and the environment its JVM runs in.

A broker's defaults are made for a machine of its own: 50 partitions for each internal topic, 128 MB
for the log cleaner, a dozen threads. These are for one machine shared with workers and Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segue.local.ports import LOOPBACK

MESSAGE_BYTES_MAX = 2 * 2**20

SMALL_NODE: Mapping[str, str] = {
    # Topics are made by `segue topics apply`; one made by a typing error would hide the error.
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "message.max.bytes": str(MESSAGE_BYTES_MAX),
    "replica.fetch.max.bytes": str(MESSAGE_BYTES_MAX),
    # Compaction soon enough that a changelog stays about as large as the state it describes.
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
    "log.cleaner.backoff.ms": "5000",
    "log.cleaner.min.cleanable.ratio": "0.3",
    "log.segment.bytes": str(64 * 2**20),
    "log.roll.ms": "600000",
    "log.index.size.max.bytes": str(2**20),
    "log.retention.check.interval.ms": "60000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "group.coordinator.threads": "1",
    # Fail-over in seconds, like the workers' own session timeout, which may be shorter than the
    # 6 s that brokers ask for by default.
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
}

LOG4J = """\
Configuration:
  status: error
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "%d{ISO8601} %p %c{1}: %m%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        ref: STDOUT
    Logger:
      # One paragraph of every setting per client and start.
      - name: org.apache.kafka.common.config
        level: WARN
"""


def server_properties(*, node_id: int, port: int, voters: Mapping[int, int], log_dir: Path) -> str:
    """Return the text of server.properties for one node.

    `voters` maps the id of every node of the cluster (this one too) to its controller's port.
    Replication follows from their number: 1 on one node, 3 with 2 in sync on three.
    """
    replication = min(3, len(voters))
    in_sync = max(1, replication - 1)
    quorum = ",".join(f"{voter}@{LOOPBACK}:{at}" for voter, at in sorted(voters.items()))
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        # A fixed quorum, not a dynamic one: that would write the ports into the stored log, and
        # a later start on another port would look for voters where they no longer are.
        "controller.quorum.voters": quorum,
        "listeners": f"BROKER://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{voters[node_id]}",
        "advertised.listeners": f"BROKER://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(log_dir),
        "default.replication.factor": str(replication),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(replication),
        "transaction.state.log.replication.factor": str(replication),
        "transaction.state.log.min.isr": str(in_sync),
        "share.coordinator.state.topic.replication.factor": str(replication),
        "share.coordinator.state.topic.min.isr": str(in_sync),
        **SMALL_NODE,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())
