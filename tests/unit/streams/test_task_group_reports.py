"""Pausing, draining and reporting of a task group."""

from collections.abc import AsyncIterator

import pytest

from segue.telemetry import metrics
from segue.testing.group_bed import GroupBed
from streams.gates import TopicPartition

IN = TopicPartition("in", 0)


@pytest.fixture
async def bed() -> AsyncIterator[GroupBed]:
    async with GroupBed.new().used() as made:
        yield made


async def test_paused_topic_takes_nothing_and_goes_on_where_it_stopped(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.apply(0, 4)
    before = metrics.PAUSED.labels("in")._value.get()
    await bed.group.pause(task, "in")
    assert metrics.PAUSED.labels("in")._value.get() == before + 1
    assert not bed.app.gates.admits(IN)
    assert await bed.apply(5, 9, follows=5) == 0  # was on its way
    await bed.group.resume(task, "in")
    assert metrics.PAUSED.labels("in")._value.get() == before
    assert bed.app.seeks[-1] == ("in", 0, 5)
    assert await bed.apply(5, 9, follows=5) == 5


async def test_pause_outlasts_a_rebalance_that_keeps_the_task(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.group.pause(task, "in")
    await bed.group.on_revoked()
    await bed.assign(2)
    assert await bed.opened() is task
    assert not bed.app.gates.admits(IN)
    await bed.group.resume(task, "in")
    assert bed.app.gates.admits(IN)


async def test_drain_commits_everything_and_takes_nothing_after(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.apply(0, 4)
    await bed.group.drain()
    assert bed.log.committed == {("group", "in", 0): 5}
    assert bed.group.tasks == {}
    assert task.producer.stopped
    assert await bed.apply(5, 6) == 0


async def test_lag_counts_what_waits_and_liveness_expects_progress_only_then(bed: GroupBed) -> None:
    await bed.assign(1)
    await bed.opened()
    await bed.apply(0, 4)
    bed.app.ends[IN] = 12
    bed.group.observe()
    assert metrics.LAG.labels("in")._value.get() == 7
    assert metrics.STATE.labels("counts")._value.get() == 5
    assert bed.group._has_work()
    bed.app.ends[IN] = 5
    bed.group.observe()
    assert metrics.LAG.labels("in")._value.get() == 0
    assert not bed.group._has_work()


async def test_paused_partition_has_no_work(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    bed.app.ends[IN] = 12
    assert bed.group._has_work()
    await bed.group.pause(task, "in")
    assert not bed.group._has_work()


async def test_evictions_are_counted_once(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    before = metrics.EVICTIONS.labels("counts")._value.get()
    task.state.evictions = 3
    bed.group.observe()
    bed.group.observe()
    assert metrics.EVICTIONS.labels("counts")._value.get() == before + 3
