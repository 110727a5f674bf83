"""Create and verify topics before any worker starts: `segue topics plan|apply`.

What a topic was created with is recorded in the registry topic: keyed state belongs to a number
of partitions, so a worker refuses to start on another. The time of creation is the epoch of the
versions in Redis: a topic created anew starts with offset 0, but with a later epoch.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from schemas.internal import TopicRecord
from schemas.registry import REGISTRY, TOPICS, TopicSpec
from segue.clock import Clock
from segue.config import Settings
from segue.errors import Misconfigured, Unavailable
from streams.changelog import read_changelog

__all__ = ["Change", "apply_changes", "plan_changes", "verified_epochs"]

MIGRATE = (
    "state belongs to its number of partitions: stop the workers, create the topics under another "
    "SEGUE_TOPIC_PREFIX with the new count, and feed the plays again with `segue feed`"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One step that `apply` takes, or cannot take."""

    action: Literal["create", "record", "configure", "conflict"]
    topic: str
    spec: TopicSpec
    detail: str


async def plan_changes(settings: Settings) -> list[Change]:
    """Return what differs between the cluster and the registry; empty when all is well."""
    async with _admin(settings) as admin:
        present = await _partition_counts(admin)
        records = await _records(settings) if _registry_topic(settings) in present else {}
        changes = []
        for spec in TOPICS:
            topic = spec.topic(settings.topic_prefix)
            wanted = spec.partition_count(settings.partitions)
            found = present.get(topic)
            if found is None:
                changes.append(Change("create", topic, spec, f"{wanted} partitions"))
            elif found != wanted:
                detail = f"has {found} partitions, SEGUE_PARTITIONS asks for {wanted}"
                changes.append(Change("conflict", topic, spec, detail))
            elif topic not in records:
                changes.append(Change("record", topic, spec, f"{found} partitions"))
            if found is not None and (drift := await _drift(admin, settings, spec)):
                changes.append(Change("configure", topic, spec, drift))
        return changes


async def apply_changes(settings: Settings, clock: Clock) -> list[Change]:
    """Make the cluster as planned and record it. May be run any number of times.

    Raises `Misconfigured` on a conflict, before anything is changed.
    """
    changes = await plan_changes(settings)
    for change in changes:
        if change.action == "conflict":
            raise Misconfigured(
                f"topic {change.topic} {change.detail}", setting="SEGUE_PARTITIONS", remedy=MIGRATE
            )
    async with _admin(settings) as admin:
        await _create(admin, settings, [c.spec for c in changes if c.action == "create"])
        for change in changes:
            if change.action == "configure":
                await _configure(admin, settings, change.spec)
    recorded = [c.spec for c in changes if c.action in ("create", "record")]
    await _record(settings, recorded, clock.now_ms())
    return changes


async def verified_epochs(settings: Settings) -> dict[str, int]:
    """Return each topic's epoch (ms). Raises `Misconfigured` if a worker must not start."""
    async with _admin(settings) as admin:
        present = await _partition_counts(admin)
    records = await _records(settings) if _registry_topic(settings) in present else {}
    for spec in TOPICS:
        topic = spec.topic(settings.topic_prefix)
        record = records.get(topic)
        if record is None or topic not in present:
            raise Misconfigured(f"topic {topic} is missing", remedy="run: segue topics apply")
        wanted = spec.partition_count(settings.partitions)
        if not record.partitions == present[topic] == wanted:
            raise Misconfigured(
                f"topic {topic}: created with {record.partitions} partitions, has "
                f"{present[topic]}, SEGUE_PARTITIONS asks for {wanted}",
                setting="SEGUE_PARTITIONS",
                remedy=MIGRATE,
            )
    return {topic: record.created_at_ms for topic, record in records.items()}


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.kafka_client_options())
    try:
        await admin.start()
    except KafkaError as error:
        await admin.close()
        raise Unavailable(
            f"no Kafka at {settings.kafka_bootstrap}: {error}",
            what="kafka",
            remedy="start one with `segue up`, or set SEGUE_KAFKA_BOOTSTRAP",
        ) from error
    try:
        yield admin
    finally:
        await admin.close()


def _registry_topic(settings: Settings) -> str:
    return REGISTRY.topic(settings.topic_prefix)


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    described = await admin.describe_topics(await admin.list_topics())
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _records(settings: Settings) -> dict[str, TopicRecord]:
    latest = await read_changelog(settings, _registry_topic(settings), 0)
    records = (msgspec.json.decode(value, type=TopicRecord) for value in latest.values())
    return {record.topic: record for record in records}


async def _drift(admin: AIOKafkaAdminClient, settings: Settings, spec: TopicSpec) -> str:
    """Return which settings of an existing topic differ, as text; empty when none does."""
    wanted = spec.kafka_config(settings.message_bytes_max)
    resource = ConfigResource(
        ConfigResourceType.TOPIC,
        spec.topic(settings.topic_prefix),
        configs=dict.fromkeys(wanted, ""),
    )
    (response,) = await admin.describe_configs([resource])
    held = {entry[0]: entry[1] for _, _, _, _, entries in response.resources for entry in entries}
    return ", ".join(
        f"{name}: {held.get(name)} -> {value}"
        for name, value in wanted.items()
        if held.get(name) != value
    )


async def _create(admin: AIOKafkaAdminClient, settings: Settings, specs: list[TopicSpec]) -> None:
    if not specs:
        return
    new = [
        NewTopic(
            name=spec.topic(settings.topic_prefix),
            num_partitions=spec.partition_count(settings.partitions),
            replication_factor=settings.replication_factor,
            topic_configs=spec.kafka_config(settings.message_bytes_max),
        )
        for spec in specs
    ]
    response = await admin.create_topics(new)
    for topic, code, *message in response.topic_errors:
        if code != 0:
            reason = message[0] if message else for_code(code).__name__
            raise Misconfigured(f"Kafka refused to create {topic}: {reason}")


async def _configure(admin: AIOKafkaAdminClient, settings: Settings, spec: TopicSpec) -> None:
    resource = ConfigResource(
        ConfigResourceType.TOPIC,
        spec.topic(settings.topic_prefix),
        configs=spec.kafka_config(settings.message_bytes_max),
    )
    await admin.alter_configs([resource])


async def _record(settings: Settings, specs: list[TopicSpec], now_ms: int) -> None:
    if not specs:
        return
    producer: Any = AIOKafkaProducer(**settings.kafka_client_options(), enable_idempotence=True)
    await producer.start()
    try:
        for spec in specs:
            topic = spec.topic(settings.topic_prefix)
            record = TopicRecord(topic, spec.partition_count(settings.partitions), now_ms)
            await producer.send_and_wait(
                _registry_topic(settings), msgspec.json.encode(record), key=topic.encode()
            )
    finally:
        await producer.stop()
