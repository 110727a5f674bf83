"""The Faust app of a role: the only place that constructs one.

Batched transport, explicit agents, no tables, no leader topic, no autodiscovery. The app owns the
gates and the task groups, calls them on each rebalance, and drains them before it stops. It owns
the readers of what every worker needs; the composition root runs them.
"""

import asyncio
import os
from collections.abc import Iterable
from typing import Any, cast

import faust

from segue.config import Settings
from segue.telemetry.health import Health
from segue.telemetry.logs import get_logger
from streams.broadcast import BroadcastReader
from streams.gates import Gates, TopicPartition
from streams.priority import Priority
from streams.tasks import TaskGroup, assigned_numbers
from streams.transport import SCHEME, BatchConsumer, BatchSchema, register_transport

__all__ = ["SegueApp", "create_app"]

logger = get_logger(__name__)

BUFFERED_POLLS = 65_536  # never reached: the inbox bounds what waits, by partition
LAG_INTERVAL_S = 1.0


class SegueApp(faust.App):
    """A Faust app with gates and partition tasks."""

    gates: Gates
    health: Health
    priority: Priority
    batch_records: int
    urgent_topics: set[str]
    groups: list[TaskGroup[Any]]
    readers: list[BroadcastReader]
    drain_timeout_s: float
    failure: Exception | None = None

    def _create_directories(self) -> None:
        """Make none: they are for tables, which we do not use."""

    async def on_stop(self) -> None:
        """Flush and hand over before the consumer leaves its group."""
        self.health.not_ready("draining")
        try:
            async with asyncio.timeout(self.drain_timeout_s):
                await asyncio.gather(*(group.drain() for group in self.groups))
        except TimeoutError:
            logger.warning("drain_timed_out", seconds=self.drain_timeout_s)
        logger.info("worker_drained")
        await super().on_stop()

    def fail(self, error: Exception) -> None:
        """Stop the worker: restart is the recovery path. Gives stopping a bounded time."""
        if self.failure is not None:
            return
        self.failure = error
        logger.error("worker_failed", error=repr(error), exc_info=error)
        self.loop.call_later(self.drain_timeout_s, os._exit, 1)
        self._crash_task = asyncio.ensure_future(self.crash(error))

    async def seek(self, tp: TopicPartition, offset: int) -> None:
        """Send the consumer to `offset`; what it had fetched from elsewhere is dropped."""
        consumer = cast(BatchConsumer, self.consumer)
        await consumer.seek_to(faust.types.TP(tp.topic, tp.partition), offset)

    async def flowing(self) -> None:
        """Wait until messages reach the agents: not before a rebalance is over."""
        await self.flow_control.acquire()

    def polls(self, topic: str, *, urgent: bool = False) -> Any:
        """Return the Faust topic whose messages are `Poll`s; `urgent` ones go before others."""
        if urgent:
            self.urgent_topics.add(topic)
        return self.topic(topic, schema=BatchSchema(), acks=False, internal=False)

    async def assigned(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Hand an assignment to the task groups."""
        numbers = assigned_numbers(partitions)
        generation = int(self.consumer_generation_id)
        logger.info(
            "partitions_assigned", generation=generation, count=sum(map(len, numbers.values()))
        )
        try:
            await asyncio.gather(*(group.on_assigned(numbers, generation) for group in self.groups))
        except Exception as error:  # noqa: BLE001  # Faust would stop, but leave no failure behind
            self.fail(error)
        else:
            self.health.ready("assigned")

    async def revoked(self) -> None:
        """Close all tasks before a rebalance."""
        await asyncio.gather(*(group.on_revoked() for group in self.groups))

    async def observe_lag(self) -> None:
        """Report for each input topic how many records wait. Runs until cancelled."""
        while True:
            await asyncio.sleep(LAG_INTERVAL_S)
            for group in self.groups:
                group.observe()
            for reader in self.readers:
                reader.observe()

    def highwater(self, tp: TopicPartition) -> int | None:
        """Return the offset after the last record known of a partition, None if none is known.

        Once all is fetched, what lies behind the last record are markers of transactions.
        """
        consumer = cast(BatchConsumer, self.consumer)
        try:
            end, fetched = consumer.ends(faust.types.TP(tp.topic, tp.partition))
        except (AssertionError, AttributeError, KeyError):  # not assigned at this moment
            return None
        return self.gates.drained_to(tp) if fetched >= end else end


def create_app(settings: Settings, health: Health) -> SegueApp:
    """Build the app of `settings.role`; nothing connects before it is started."""
    register_transport()
    app = SegueApp(
        f"{settings.group_prefix}{settings.role}",
        broker=[f"{SCHEME}://{server}" for server in settings.kafka_bootstrap.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_interval_s,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED_POLLS,
        stream_publish_on_commit=False,
        agent_supervisor="mode.supervisors:CrashingSupervisor",
        web_enabled=False,
        web_tables_enabled=False,
        web_router_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.gates = Gates()
    app.health = health
    app.batch_records = settings.batch_records
    app.priority = Priority()
    app.urgent_topics = set()
    app.drain_timeout_s = settings.drain_timeout_s
    app.groups = []
    app.readers = []
    health.not_ready("assigned")

    @app.on_partitions_assigned.connect(weak=False)
    async def on_assigned(_: Any, assigned: Iterable[tuple[str, int]], **__: Any) -> None:
        await app.assigned(assigned)

    @app.on_partitions_revoked.connect(weak=False)
    async def on_revoked(*_: Any, **__: Any) -> None:
        await app.revoked()

    return app


def _credentials(settings: Settings) -> Any:
    """Translate our Kafka settings for Faust, always with an explicit ssl_context.

    Given credentials without one, Faust silently speaks plaintext.
    """
    options = settings.kafka_client_options()
    context = options.get("ssl_context")
    if options.get("sasl_mechanism"):
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
