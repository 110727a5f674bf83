"""Kafka, Redis and workers on one machine, with no containers.

`KafkaCluster` and `RedisNode` are the real servers as child processes; `LocalStack` adds the
workers, started in order and kept alive by a `Supervisor`. Everything lies below the data folder
(`.segue/`): `kafka/`, `redis/`, `logs/NAME.log`, `run/` (pids, endpoints.json, state.json).
All of it listens on the loopback only and dies with the process that started it.
"""

from __future__ import annotations

from segue.local.jars import find_kafka_libs
from segue.local.kafka_cluster import KafkaCluster
from segue.local.kafka_node import KafkaNode
from segue.local.ports import free_port
from segue.local.redis_node import RedisNode

__all__ = ["KafkaCluster", "KafkaNode", "RedisNode", "find_kafka_libs", "free_port"]
