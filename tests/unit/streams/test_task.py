"""One partition task: what a flush commits, and what it leaves for the next."""

import asyncio

import pytest
from aiokafka.errors import ProducerFenced

from segue.errors import Fenced
from segue.testing.counting import CountState
from segue.testing.memory_app import MemoryApp
from segue.testing.memory_log import MemoryLog, MemoryProducer
from segue.testing.memory_stage import MemoryStage, open_task
from segue.testing.servers import fresh_settings
from streams.stage import Output
from streams.task import PartitionTask
from streams.tasks import TaskGroup


async def new_task(log: MemoryLog, *inputs: str) -> PartitionTask[CountState]:
    stage = MemoryStage(inputs=inputs or ("in",))
    app = MemoryApp()
    return await open_task(
        TaskGroup(stage, app=app.as_segue_app, settings=fresh_settings()), log=log
    )


async def test_flush_commits_changelog_outputs_and_offsets_together() -> None:
    log = MemoryLog()
    task = await new_task(log)
    task.state.add("a", 2)
    task.state.add("b")
    task.advance("in", 7, [Output("other", 3, b"k", b"v", (("h", b"1"),), 99)], 7)
    await task.flush()
    assert log.last_values("counts-changelog", 0) == {b"a": b"2", b"b": b"1"}
    (other,) = log.records("other")
    assert (other.partition, other.key, other.value) == (3, b"k", b"v")
    assert (other.headers, other.timestamp) == ((("h", b"1"),), 99)
    assert [record.value for record in log.records("totals")] == [b"3"]
    assert log.committed == {("group", "in", 0): 7}
    assert log.transactions == 1


async def test_flush_of_nothing_new_commits_nothing() -> None:
    log = MemoryLog()
    task = await new_task(log)
    await task.flush()
    task.advance("in", 1, [], 1)
    await task.flush()
    await task.flush()
    assert log.transactions == 1
    assert not task.dirty


async def test_snapshot_drains_so_that_nothing_is_committed_twice() -> None:
    log = MemoryLog()
    task = await new_task(log)
    task.state.add("a")
    task.advance("in", 1, [Output("other", 0, None, b"first")], 1)
    task.due.set()
    await task.flush()
    assert (task.pending_records, task.due.is_set()) == (0, False)
    task.advance("in", 2, [Output("other", 0, None, b"second")], 1)
    await task.flush()
    assert [record.value for record in log.records("other")] == [b"first", b"second"]
    assert len(log.records("counts-changelog")) == 1


async def test_only_moved_inputs_are_committed() -> None:
    log = MemoryLog()
    task = await new_task(log, "plays", "feedback")
    task.advance("feedback", 5, [], 5)
    await task.flush()
    assert log.committed == {("group", "feedback", 0): 5}


async def test_dirty_follows_the_position_and_version_never_falls() -> None:
    task = await new_task(MemoryLog(), "plays", "feedback")
    versions, dirty = [task.version_offset], [task.dirty]
    for topic, offset in (("plays", 3), ("feedback", 1), ("plays", 4), ("feedback", 9)):
        task.advance(topic, offset, [], 1)
        dirty.append(task.dirty)
        versions.append(task.version_offset)
    assert versions == [0, 3, 4, 5, 13]
    assert dirty == [False, True, True, True, True]
    await task.flush()
    assert (task.dirty, task.version_offset) == (False, 13)


async def test_what_is_applied_while_a_commit_is_in_flight_joins_the_next() -> None:
    async def apply_more(point: str) -> None:
        if point == "commit" and log.transactions == 0:
            task.state.add("late")
            task.advance("in", 2, [], 1)

    log = MemoryLog(apply_more)
    task = await new_task(log)
    task.state.add("early")
    task.advance("in", 1, [], 1)
    await task.flush()
    assert log.committed == {("group", "in", 0): 1}
    assert log.last_values("counts-changelog", 0) == {b"early": b"1"}
    assert task.dirty
    await task.flush()
    assert log.committed == {("group", "in", 0): 2}
    assert log.last_values("counts-changelog", 0) == {b"early": b"1", b"late": b"1"}


async def test_redis_is_written_in_full_before_each_commit() -> None:
    log = MemoryLog()
    task = await new_task(log)
    task.advance("in", 1, [], 1)
    assert isinstance(task.stage, MemoryStage)
    await task.publish()
    await task.flush()
    assert task.stage.published == [False, True, True]  # once beside the agents, once alone


async def test_one_at_a_time_publishes() -> None:
    """Two at once could send versions out of order, and Redis would refuse the older one."""
    task = await new_task(MemoryLog())
    at_work: list[bool] = []
    together: list[int] = []

    async def publish(_: object, *, complete: bool) -> None:
        at_work.append(complete)
        together.append(len(at_work))
        await asyncio.sleep(0)
        at_work.pop()

    task.stage.publish = publish  # type: ignore[method-assign, assignment]  # watches who comes
    task.advance("in", 1, [], 1)
    await asyncio.gather(task.publish(), task.flush(), task.publish())
    assert together == [1, 1, 1, 1]


async def test_records_are_packed_in_order_into_batches_below_the_limit() -> None:
    log = MemoryLog()
    task = await new_task(log)
    values = [bytes([65 + i]) * 400_000 for i in range(5)]
    outputs = [Output("big", i % 2, None, value) for i, value in enumerate(values)]
    task.advance("in", 1, outputs, 1)
    await task.flush()
    assert isinstance(task.producer, MemoryProducer)
    sizes = [
        (topic, partition, len(batch.records))
        for topic, partition, batch in task.producer.batches
        if topic == "big"
    ]
    assert sorted(sizes) == [("big", 0, 1), ("big", 0, 2), ("big", 1, 2)]
    assert [record.value for record in log.records("big")] == [*values[0::2], *values[1::2]]


async def test_record_larger_than_a_batch_has_one_for_itself() -> None:
    log = MemoryLog()
    task = await new_task(log)
    values = [b"small", b"x" * 2_000_000, b"last"]
    task.advance("in", 1, [Output("big", 0, None, value) for value in values], 1)
    await task.flush()
    assert [record.value for record in log.records("big")] == values


async def test_closed_task_flushes_and_publishes_nothing() -> None:
    log = MemoryLog()
    task = await new_task(log)
    task.advance("in", 1, [], 1)
    task.opened = False
    with pytest.raises(Fenced, match="counts partition 0"):
        await task.flush()
    with pytest.raises(Fenced):
        await task.publish()
    assert log.transactions == 0


async def test_former_owner_cannot_commit() -> None:
    log = MemoryLog()
    former = await new_task(log)
    former.advance("in", 1, [], 1)
    await new_task(log)  # the same transactional id, elsewhere
    with pytest.raises(ProducerFenced):
        await former.flush()
    assert log.committed == {}
    assert log.records("counts-changelog") == []
