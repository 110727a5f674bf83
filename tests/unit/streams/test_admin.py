"""Topics, dead letters and changelogs on a real Kafka: one for this module."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from schemas.codec import Rejected
from schemas.internal import HEADER_REQUEUED, HEADERS
from schemas.registry import (
    DEAD_LETTERS,
    LISTENERS_CHANGELOG,
    PLAYS,
    REGISTRY,
    TOPICS,
)
from segue.config import Settings
from segue.errors import Misconfigured, Unavailable
from segue.local import KafkaCluster
from segue.testing import ManualClock, eventually, fresh_settings
from segue.testing.counting import CountState
from segue.testing.memory_app import as_batch
from segue.testing.memory_log import MemoryRecord
from segue.testing.memory_stage import MemoryStage
from streams.admin import apply_changes, plan_changes, verified_epochs
from streams.changelog import committed_offsets, read_changelog, restore
from streams.deadletter import dead_letter
from streams.deadletters import (
    purge_dead_letters,
    read_dead_letter,
    read_dead_letters,
    requeue_dead_letters,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"))
    asyncio.run(cluster.start())
    yield cluster
    asyncio.run(cluster.stop())


@pytest.fixture
def fresh(kafka: KafkaCluster) -> Settings:
    return fresh_settings(kafka, partitions=2)


@pytest.fixture
async def settings(fresh: Settings) -> Settings:
    await apply_changes(fresh, ManualClock())
    return fresh


@asynccontextmanager
async def producer(settings: Settings, **options: Any) -> AsyncIterator[Any]:
    made: Any = AIOKafkaProducer(**settings.kafka_client_options(), **options)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Any]:
    made: Any = AIOKafkaAdminClient(**settings.kafka_client_options())
    await made.start()
    try:
        yield made
    finally:
        await made.close()


# ------------------------------------------------------------------ topics


async def test_plan_of_an_empty_cluster_creates_everything(fresh: Settings) -> None:
    changes = await plan_changes(fresh)
    assert [(change.action, change.topic) for change in changes] == [
        ("create", spec.topic(fresh.topic_prefix)) for spec in TOPICS
    ]


async def test_applied_topics_need_nothing_more(settings: Settings) -> None:
    assert await plan_changes(settings) == []
    assert await apply_changes(settings, ManualClock(9)) == []


async def test_epoch_of_a_topic_is_when_it_was_created(fresh: Settings) -> None:
    await apply_changes(fresh, ManualClock(1234))
    await apply_changes(fresh, ManualClock(9999))
    expected = {spec.topic(fresh.topic_prefix): 1234 for spec in TOPICS}
    assert await verified_epochs(fresh) == expected


async def test_topics_are_created_as_the_registry_says(settings: Settings) -> None:
    async with admin(settings) as client:
        described = await client.describe_topics(
            [spec.topic(settings.topic_prefix) for spec in TOPICS]
        )
        counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
        name = LISTENERS_CHANGELOG.topic(settings.topic_prefix)
        (response,) = await client.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name)]
        )
    assert counts == {spec.topic(settings.topic_prefix): spec.partition_count(2) for spec in TOPICS}
    held = {entry[0]: entry[1] for entry in response.resources[0][4]}
    assert held["cleanup.policy"] == "compact"
    expected = LISTENERS_CHANGELOG.kafka_config(settings.message_bytes_max)
    assert {name: held[name] for name in expected} == expected


async def test_another_partition_count_is_refused_before_anything_changes(
    settings: Settings,
) -> None:
    more = settings.model_copy(update={"partitions": 3})
    planned = await plan_changes(more)
    assert {change.action for change in planned} == {"conflict"}
    for refuse in (apply_changes(more, ManualClock()), verified_epochs(more)):
        with pytest.raises(Misconfigured, match="SEGUE_PARTITIONS asks for 3") as raised:
            await refuse
        assert raised.value.setting == "SEGUE_PARTITIONS"
        assert "segue feed" in raised.value.remedy
    assert await plan_changes(settings) == []


async def test_partitions_added_behind_our_back_stop_a_worker(settings: Settings) -> None:
    topic = PLAYS.topic(settings.topic_prefix)
    async with admin(settings) as client:
        await client.create_partitions({topic: NewPartitions(4)})

        async def known() -> bool:
            (described,) = await client.describe_topics([topic])
            return len(described["partitions"]) == 4

        await eventually(known, 10)
    wanted = settings.model_copy(update={"partitions": 4})
    for believed in (settings, wanted):
        with pytest.raises(Misconfigured, match="created with 2 partitions, has 4"):
            await verified_epochs(believed)


async def test_missing_topics_stop_a_worker(fresh: Settings) -> None:
    with pytest.raises(Misconfigured, match="is missing") as raised:
        await verified_epochs(fresh)
    assert raised.value.remedy == "run: segue topics apply"


async def test_changed_configuration_is_planned_and_put_right(settings: Settings) -> None:
    topic = DEAD_LETTERS.topic(settings.topic_prefix)
    async with admin(settings) as client:
        await client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "1000"})]
        )
    # A broker tells a changed configuration a moment after it took the change.
    (change,) = await eventually(lambda: plan_changes(settings), 10.0, claim="it is planned")
    assert (change.action, change.topic) == ("configure", topic)
    assert "retention.ms: 1000 -> 1209600000" in change.detail
    await apply_changes(settings, ManualClock())

    async def nothing_is_planned() -> bool:
        return await plan_changes(settings) == []

    assert await eventually(nothing_is_planned, 10.0, claim="it is put right")


async def test_topic_that_somebody_else_created_is_recorded(fresh: Settings) -> None:
    others = [spec for spec in TOPICS if spec is not REGISTRY]
    await apply_changes(fresh, ManualClock(1))
    async with producer(fresh) as client:  # forget one record
        name = others[0].topic(fresh.topic_prefix)
        await client.send_and_wait(REGISTRY.topic(fresh.topic_prefix), None, key=name.encode())
    (change,) = await plan_changes(fresh)
    assert (change.action, change.topic) == ("record", name)
    await apply_changes(fresh, ManualClock(2))
    assert (await verified_epochs(fresh))[name] == 2


async def test_no_kafka_is_said_in_one_sentence() -> None:
    away = fresh_settings(kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"no Kafka at 127\.0\.0\.1:1") as raised:
        await plan_changes(away)
    assert "segue up" in raised.value.remedy


# ------------------------------------------------------------------ dead letters


async def bury(settings: Settings, values: Sequence[bytes], *, reason: Any = "not_json") -> None:
    """Send dead letters as a worker does, of a record in partition 1 of plays."""
    topic = PLAYS.topic(settings.topic_prefix)
    async with producer(settings) as client:
        for offset, value in enumerate(values):
            record = MemoryRecord(
                topic, 1, offset, 1000 + offset, b"ann", value, (("trace", b"t"),)
            )
            letters = DEAD_LETTERS.topic(settings.topic_prefix)
            batch = as_batch(topic, 1, [record])
            letter = dead_letter(batch, record, Rejected(reason, "why"), letters)
            await client.send_and_wait(
                letter.topic,
                letter.value,
                key=letter.key,
                partition=letter.partition,
                headers=list(letter.headers),
                timestamp_ms=letter.timestamp_ms,
            )


async def in_plays(settings: Settings) -> list[Any]:
    """All records of the topic plays."""
    consumer: Any = AIOKafkaConsumer(
        **settings.kafka_client_options(), auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(PLAYS.topic(settings.topic_prefix), n) for n in (0, 1)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Any] = []
        for tp in partitions:
            while await consumer.position(tp) < ends[tp]:
                for records in (await consumer.getmany(tp, timeout_ms=500)).values():
                    found += records
        return found
    finally:
        await consumer.stop()


async def test_dead_letters_read_back_as_they_were(settings: Settings) -> None:
    await bury(settings, [b"{", b"\xff\x00"])
    first, second = await read_dead_letters(settings)
    assert (first.id, second.id) == ("1:0", "1:1")
    topic = PLAYS.topic(settings.topic_prefix)
    assert (first.topic, first.partition, first.offset) == (topic, 1, 0)
    assert (first.timestamp_ms, first.reason, first.detail) == (1000, "not_json", "why")
    assert (first.key, first.value, first.headers) == (b"ann", b"{", (("trace", b"t"),))
    assert second.value == b"\xff\x00"
    assert orjson.loads(second.to_json())["value"] == "\\xff\x00"
    assert await read_dead_letter(settings, "1:1") == second
    assert first.describe() == f"{topic} partition 1 offset 0: not_json (why)"


async def test_unknown_letter_names_the_command_that_lists_them(settings: Settings) -> None:
    with pytest.raises(Misconfigured, match="no dead letter 7:7") as raised:
        await read_dead_letter(settings, "7:7")
    assert "segue dlq ls" in raised.value.remedy


async def test_requeued_letter_goes_back_byte_for_byte_and_says_so(settings: Settings) -> None:
    await bury(settings, [b"{", b"[1]"])
    assert await requeue_dead_letters(settings, ["1:1"], None) == 1
    (record,) = await in_plays(settings)
    assert (record.partition, record.key, record.value) == (1, b"ann", b"[1]")
    assert dict(record.headers) == {"trace": b"t", HEADER_REQUEUED: b"1"}
    assert not {name for name, _ in record.headers} & ({*HEADERS} - {HEADER_REQUEUED})


async def test_all_requeues_each_letter_once(settings: Settings) -> None:
    await bury(settings, [b"a", b"b"])
    assert await requeue_dead_letters(settings, None, None) == 2
    assert await requeue_dead_letters(settings, None, None) == 0
    await bury(settings, [b"c"])
    assert await requeue_dead_letters(settings, None, None) == 1
    assert [record.value for record in await in_plays(settings)] == [b"a", b"b", b"c"]


async def test_all_of_a_reason_leaves_the_others(settings: Settings) -> None:
    await bury(settings, [b"a"])
    await bury(settings, [b"b"], reason="too_deep")
    assert await requeue_dead_letters(settings, None, "too_deep") == 1
    assert [record.value for record in await in_plays(settings)] == [b"b"]


async def test_purge_deletes_all_and_later_letters_are_seen(settings: Settings) -> None:
    await bury(settings, [b"a", b"b"])
    assert await purge_dead_letters(settings) == 2
    assert await read_dead_letters(settings) == []
    assert await purge_dead_letters(settings) == 0
    await bury(settings, [b"c"])
    assert [letter.value for letter in await read_dead_letters(settings)] == [b"c"]


async def test_dead_letters_without_a_topic_say_what_to_run(fresh: Settings) -> None:
    with pytest.raises(Misconfigured, match=r"dead-letters\.v1 is missing") as raised:
        await read_dead_letters(fresh)
    assert raised.value.remedy == "segue topics apply"


# ------------------------------------------------------------------ changelogs


def transactional(settings: Settings, name: str = "t") -> Any:
    return producer(settings, transactional_id=f"{settings.topic_prefix}{name}")


async def test_changelog_reads_the_last_committed_value_of_each_key(settings: Settings) -> None:
    topic = LISTENERS_CHANGELOG.topic(settings.topic_prefix)
    async with transactional(settings) as client:
        async with client.transaction():
            for key, value in ((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", b"4")):
                await client.send(topic, value, key=key, partition=1)
        await client.begin_transaction()
        await client.send_and_wait(topic, b"never", key=b"a", partition=1)
        await client.abort_transaction()
        async with client.transaction():
            await client.send(topic, None, key=b"c", partition=1)
    assert await read_changelog(settings, topic, 1) == {b"a": b"4", b"b": b"2"}
    assert await read_changelog(settings, topic, 0) == {}


async def test_restore_fills_the_state_of_one_partition(settings: Settings) -> None:
    stage = MemoryStage()
    stage.changelog = LISTENERS_CHANGELOG.topic(settings.topic_prefix)
    async with producer(settings) as client:
        for number in range(600):  # more than a slice
            await client.send(stage.changelog, b"%d" % number, key=b"k%d" % number, partition=0)
        await client.flush()
    state = CountState()
    await restore(settings, stage, 0, state)
    assert state.counts == {f"k{number}": number for number in range(600)}
    assert state.change_slices() == [[]]


async def test_group_goes_on_at_its_committed_offsets_else_at_the_beginning(
    settings: Settings,
) -> None:
    plays = PLAYS.topic(settings.topic_prefix)
    feedback = plays.replace("plays", "feedback")
    group = f"{settings.group_prefix}recommend"
    inputs = (plays, feedback)
    assert await committed_offsets(settings, group, inputs, 0) == {plays: 0, feedback: 0}
    async with transactional(settings) as client, client.transaction():
        await client.send_offsets_to_transaction({TopicPartition(plays, 0): 41}, group)
    assert await committed_offsets(settings, group, inputs, 0) == {plays: 41, feedback: 0}
    assert await committed_offsets(settings, group, inputs, 1) == {plays: 0, feedback: 0}
