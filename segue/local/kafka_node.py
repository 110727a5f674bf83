"""One real Apache Kafka node (KRaft, broker and controller in one) as a child process.

Its folder is formatted once and used again by later starts. Ready means what a client sees: see
`segue.local.kafka_ready`. Killing it at any time is safe; the next start recovers.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segue.errors import Misconfigured, Unavailable
from segue.local import kafka_ready
from segue.local.jars import find_java, find_kafka_libs
from segue.local.kafka_properties import LOG4J, server_properties
from segue.local.ports import LOOPBACK, require_free
from segue.local.process import ManagedProcess

HEAP_MB = 384
STOP_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 120.0  # minutes only on a machine that is busy otherwise


@dataclass(frozen=True)
class Quorum:
    """Which cluster a node is of: its own id, the controller port of every node by id, and the
    cluster's id (used at the first format only)."""

    node_id: int
    voters: Mapping[int, int]
    cluster_id: str


class KafkaNode:
    """A Kafka node that keeps everything below `directory`, alone or as a member of `quorum`.

    `process.log_path` and `process.pid_path` may be set before the first start.
    """

    def __init__(
        self,
        directory: Path,
        port: int,
        controller_port: int,
        *,
        quorum: Quorum | None = None,
        heap_mb: int = HEAP_MB,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.heap_mb = heap_mb
        self.stop_timeout_s = stop_timeout_s
        self.quorum = quorum or Quorum(1, {1: controller_port}, new_cluster_id())
        self.process = ManagedProcess(
            f"kafka-{self.quorum.node_id}", log_path=self.directory / "kafka.log"
        )

    @property
    def bootstrap(self) -> str:
        """The address for clients, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The pid of the running node, or None."""
        return self.process.pid

    async def start(self) -> None:
        """Format the folder if it is new, then start the node. Returns before it is ready.

        Raises Misconfigured when Java, Maven or a free port is missing, or the folder is broken.
        """
        require_free(self.port, setting="SEGUE_LOCAL_KAFKA_PORT")
        await asyncio.to_thread(self._prepare)
        self.process.start()

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the node serves (see kafka_ready). Raises Unavailable after `timeout_s`, or
        as soon as the node has ended."""
        await kafka_ready.wait_ready(
            kafka_ready.Cluster(self.bootstrap, 1, len(self.quorum.voters)),
            timeout_s=timeout_s,
            still_up=self.check_running,
        )

    async def stop(self) -> None:
        """Shut the node down in order; SIGKILL after `stop_timeout_s`. May be called twice."""
        code = await self.process.stop(self.stop_timeout_s)
        self._keep_archive(code)

    async def kill(self) -> None:
        """SIGKILL the node: what a crash does."""
        await self.process.kill()

    def check_running(self) -> None:
        """Raise Unavailable, with the last line of the log, when the node has ended."""
        if not self.process.running:
            raise Unavailable(
                f"{self.process.name} ended with {self.process.exit_code}: "
                f"{self.process.log_tail()[:300]}",
                what="kafka",
                remedy=f"see {self.process.log_path}",
            )

    def _prepare(self) -> None:
        """Write the configuration, format the folder once and choose the command."""
        java, libs = find_java(), find_kafka_libs()
        self.directory.mkdir(parents=True, exist_ok=True)
        log_dir = self.directory / "data"
        properties = self.directory / "server.properties"
        properties.write_text(
            server_properties(
                node_id=self.quorum.node_id,
                port=self.port,
                voters=self.quorum.voters,
                log_dir=log_dir,
            )
        )
        (self.directory / "log4j2.yaml").write_text(LOG4J)
        jvm = [java, *self._jvm_options(libs), "-cp", classpath(libs)]
        if not (log_dir / "meta.properties").exists():
            self._format([*jvm, "kafka.tools.StorageTool"], properties)
        self.process.argv = [*self._with_archive(jvm, libs), "kafka.Kafka", str(properties)]

    def _jvm_options(self, libs: Path) -> list[str]:
        archive = archive_path(libs)
        return [
            f"-Xms{min(128, self.heap_mb)}m",
            f"-Xmx{self.heap_mb}m",
            "-XX:+UseSerialGC",  # beside workers on two cores it costs less than G1's threads
            # The optimising compiler takes a third of a core for minutes, which a broker this
            # small never earns back.
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.yaml'}",
            "-Xlog:cds=off,cds+dynamic=off",
            *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []),
        ]

    def _with_archive(self, jvm: list[str], libs: Path) -> list[str]:
        """Let the first run leave an archive of loaded classes: later ones start in half the time
        and half the CPU (1.4 s instead of 2.6 s)."""
        if archive_path(libs).exists():
            return jvm
        return [jvm[0], f"-XX:ArchiveClassesAtExit={self._new_archive}", *jvm[1:]]

    @property
    def _new_archive(self) -> Path:
        return self.directory / "classes.jsa"

    def _keep_archive(self, exit_code: int | None) -> None:
        """Move the archive that a clean exit left to the jars it belongs to."""
        if self._new_archive.exists() and exit_code in (0, 143):
            archive = archive_path(find_kafka_libs())
            part = archive.with_name(f"{archive.name}.{uuid.uuid4().hex}")
            part.write_bytes(self._new_archive.read_bytes())
            part.replace(archive)
        self._new_archive.unlink(missing_ok=True)

    def _format(self, tool: list[str], properties: Path) -> None:
        run = subprocess.run(
            [*tool, "format", "-t", self.quorum.cluster_id, "-c", str(properties)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            lines = (run.stderr + run.stdout).strip().splitlines()
            raise Misconfigured(
                f"Kafka could not format {self.directory}: {lines[-1] if lines else 'no output'}",
                setting="SEGUE_DATA_DIR",
                remedy="check that the folder can be written and has space",
            )


def archive_path(libs: Path) -> Path:
    """Return where the class archive of these jars stands (if it exists)."""
    return libs / "classes.jsa"


def classpath(libs: Path) -> str:
    """Return the jars in a fixed order: an archive is valid for one order only."""
    return ":".join(str(jar) for jar in sorted(libs.glob("*.jar")))


def new_cluster_id() -> str:
    """Return a fresh cluster id in Kafka's form (base64url of a UUID, no padding).

    None starts with a dash, as one in 64 would: the format tool takes that for an option.
    """
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text
