"""A Kafka cluster of one or three nodes on this machine.

One node is for work; three are for tests of fail-over: each topic then has three replicas, two of
which must be in sync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from segue.errors import Misconfigured
from segue.local import kafka_ready
from segue.local.kafka_node import (
    HEAP_MB,
    READY_TIMEOUT_S,
    STOP_TIMEOUT_S,
    KafkaNode,
    Quorum,
    new_cluster_id,
)
from segue.local.ports import free_port
from segue.local.together import together

# The last node of three has no quorum left to say good-bye to, and would wait for one for minutes.
STOP_MEMBER_TIMEOUT_S = 6.0


class KafkaCluster:
    """1 or 3 Kafka nodes below `directory`; an async context manager that starts and stops them.

    `ports` are the nodes' client ports, one for each node; free ones are taken without it.
    """

    def __init__(
        self,
        directory: Path,
        nodes: int = 1,
        *,
        ports: Sequence[int] | None = None,
        heap_mb: int = HEAP_MB,
    ) -> None:
        if nodes not in (1, 3):
            raise Misconfigured(
                f"a local Kafka has 1 or 3 nodes, not {nodes}",
                setting="SEGUE_LOCAL_KAFKA_NODES",
                remedy="set it to 1, or to 3 to try fail-over",
            )
        client_ports = list(ports) if ports is not None else [free_port() for _ in range(nodes)]
        voters = {node_id: free_port() for node_id in range(1, nodes + 1)}
        cluster_id = _cluster_id(directory)
        self.nodes = [
            KafkaNode(
                directory / f"node-{node_id}",
                client_ports[node_id - 1],
                controller_port,
                quorum=Quorum(node_id, voters, cluster_id),
                heap_mb=heap_mb,
                stop_timeout_s=STOP_TIMEOUT_S if nodes == 1 else STOP_MEMBER_TIMEOUT_S,
            )
            for node_id, controller_port in voters.items()
        ]

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes, `host:port,host:port`."""
        return ",".join(node.bootstrap for node in self.nodes)

    async def start(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start all nodes and wait until the cluster serves. On failure none is left running."""
        try:
            await together(*(node.start() for node in self.nodes))
            await self.wait_ready(timeout_s)
        except BaseException:
            await asyncio.gather(*(node.kill() for node in self.nodes))
            raise

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until every node is in the cluster and the cluster serves."""
        await kafka_ready.wait_ready(
            kafka_ready.Cluster(self.bootstrap, len(self.nodes), len(self.nodes)),
            timeout_s=timeout_s,
            still_up=self._check_running,
        )

    async def stop(self) -> None:
        """Stop all nodes, at the same time."""
        await asyncio.gather(*(node.stop() for node in self.nodes))

    async def __aenter__(self) -> Self:
        """Start and wait until ready."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def _check_running(self) -> None:
        for node in self.nodes:
            node.check_running()


def _cluster_id(directory: Path) -> str:
    """Return the id that this cluster's nodes share, made at the first call."""
    path = directory / "cluster.id"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(new_cluster_id())
    return path.read_text().strip()
