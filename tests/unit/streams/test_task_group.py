"""Tasks of a stage over assignments: who is kept, who starts anew, and that no record is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka.errors import ProducerFenced

from segue.errors import Bug, Fenced, Misconfigured
from segue.testing import eventually
from segue.testing.group_bed import GroupBed, counted_records
from segue.testing.memory_app import as_batch
from streams.batches import Poll
from streams.gates import TopicPartition
from streams.stage import Output
from streams.tasks import assigned_numbers

IN = TopicPartition("in", 0)


@pytest.fixture
async def bed() -> AsyncIterator[GroupBed]:
    async with GroupBed.new().used() as made:
        yield made


@pytest.fixture
async def two_inputs() -> AsyncIterator[GroupBed]:
    async with GroupBed.new("plays", "in").used() as made:
        yield made


# ------------------------------------------------------------------ units


async def test_unit_trims_to_the_position_and_drops_nothing_new(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    assert await bed.apply(0, 9) == 10
    assert await bed.apply(5, 14, follows=5) == 5  # straddles: 10..14 are new
    assert await bed.apply(3, 7, follows=0) == 0
    assert task.position == {"in": 15}
    assert task.state.counts == {str(n): 1 for n in range(15)}


async def test_gap_heals_by_seeking_to_the_position(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.apply(0, 9)
    assert await bed.apply(20, 29) == 0  # 10..19 were lost on the way
    assert bed.app.seeks == [("in", 0, 0), ("in", 0, 10)]
    assert bed.app.gates.admits(IN)
    assert bed.app.gates.drained(IN, 10, 29) == 10
    assert await bed.apply(10, 29, follows=10) == 20
    assert task.position == {"in": 30}


async def test_hole_of_markers_is_no_gap(bed: GroupBed) -> None:
    await bed.assign(1)
    await bed.opened()
    await bed.apply(0, 9)
    assert await bed.apply(12, 14, follows=10) == 3
    assert bed.app.seeks == [("in", 0, 0)]


async def test_batch_of_a_partition_that_is_not_ours_is_nobodys(bed: GroupBed) -> None:
    assert await bed.apply(0, 3) == 0


async def test_outputs_of_a_unit_leave_with_the_flush(bed: GroupBed) -> None:
    await bed.assign(1)
    await bed.opened()
    async with bed.unit(as_batch("in", 0, counted_records(0, 2))) as unit:
        assert unit is not None
        assert unit.version_offset == 3
        unit.send(Output("other", 0, None, b"x"))
    assert bed.log.records("other") == []
    await eventually(lambda: bed.log.committed.get(("group", "in", 0)) == 3, 5)
    assert [record.value for record in bed.log.records("other")] == [b"x"]


async def test_fenced_unit_is_dropped_and_the_worker_goes_on(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    async with bed.unit(as_batch("in", 0, counted_records(0, 2))) as unit:
        assert unit is not None
        unit.send(Output("other", 0, None, b"x"))
        lose_the_partition()
    assert (task.position, task.retired) == ({"in": 0}, True)
    assert bed.app.failure is None
    assert task._outputs == []


async def two_units(bed: GroupBed, act: Callable[[], None]) -> None:
    """Apply a poll of two partitions, and act in the midst of it."""
    batches = (as_batch("in", number, counted_records(0, 2)) for number in (1, 0))
    async with bed.group.units(Poll.of(*batches)) as units:
        assert [unit.partition for unit in units] == [0, 1]
        for unit in units:
            unit.state.add("half")
        act()


async def test_a_poll_moves_all_its_partitions(bed: GroupBed) -> None:
    await bed.assign(1, (0, 1))
    tasks = [await bed.opened(number) for number in (0, 1)]
    await two_units(bed, lambda: None)
    assert [task.position for task in tasks] == [{"in": 3}, {"in": 3}]


async def test_a_poll_that_was_fenced_leaves_nothing_half_done(bed: GroupBed) -> None:
    await bed.assign(1, (0, 1))
    tasks = [await bed.opened(number) for number in (0, 1)]
    await two_units(bed, lose_the_partition)
    assert [(task.position, task.retired, task.opened) for task in tasks] == 2 * [
        ({"in": 0}, True, False)
    ]
    assert (bed.app.failure, bed.log.committed) == (None, {})


async def test_a_poll_skips_partitions_that_are_not_ours(bed: GroupBed) -> None:
    await bed.assign(1, (0,))
    await bed.opened()
    batches = [as_batch("in", number, counted_records(0, 2)) for number in (0, 1)]
    async with bed.group.units(Poll.of(*batches)) as units:
        assert [unit.partition for unit in units] == [0]


def lose_the_partition() -> None:
    raise Fenced("no longer ours")


async def test_unit_of_a_task_closed_meanwhile_counts_for_nothing(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    async with bed.unit(as_batch("in", 0, counted_records(0, 2))) as unit:
        assert unit is not None
        task.opened = False
    assert (task.position, task.retired) == ({"in": 0}, True)
    assert bed.app.failure is None


async def test_exception_in_a_unit_stops_the_worker(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    with pytest.raises(ZeroDivisionError):
        async with bed.unit(as_batch("in", 0, counted_records(0, 2))):
            raise ZeroDivisionError
    assert isinstance(bed.app.failure, ZeroDivisionError)
    assert not task.opened
    assert bed.log.committed == {}


async def test_many_records_flush_before_the_interval() -> None:
    made = GroupBed.new(flush_records=5, flush_interval_s=60)
    async with made.used():
        await made.assign(1)
        task = await made.opened()
        await made.apply(0, 3)
        assert not task.due.is_set()
        await made.apply(4, 8)
        await eventually(lambda: made.log.committed.get(("group", "in", 0)) == 9, 5)


# ------------------------------------------------------------------ rebalance


async def test_task_is_kept_when_its_partition_comes_straight_back(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.apply(0, 4)
    await bed.group.on_revoked()
    assert bed.log.committed == {("group", "in", 0): 5}  # flushed on the way
    assert await bed.apply(5, 6) == 0  # closed meanwhile
    await bed.assign(2)
    assert await bed.opened() is task
    assert bed.app.seeks[-1] == ("in", 0, 5)
    assert await bed.apply(5, 6, follows=5) == 2


async def test_task_that_missed_a_generation_starts_from_its_changelog(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.apply(0, 4)
    await bed.group.on_revoked()
    await bed.assign(3)
    fresh = await bed.opened()
    assert fresh is not task
    assert fresh.state is not task.state
    assert fresh.state.counts == {str(n): 1 for n in range(5)}
    assert fresh.position == {"in": 5}
    assert task.producer.stopped


async def test_task_with_a_unit_half_done_is_not_kept(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    applying, leave = await begin_unit(bed, 0)
    await bed.group.on_revoked()  # waits its 2 s for the unit, then gives it up
    await bed.assign(2)
    fresh = await bed.opened()
    leave.set()
    await applying
    assert fresh is not task
    assert "half" not in fresh.state.counts
    assert bed.log.committed == {}


async def test_task_with_a_unit_begun_during_its_last_commit_is_not_kept(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    async with task.lock:  # so that the flush on revoke is the one that commits
        task.state.add("whole")
        task.advance("in", 1, [], 1)
        commit = bed.hold("commit")
        revoking = asyncio.create_task(bed.group.on_revoked())
    await eventually(lambda: not task.dirty, 5)
    applying, leave = await begin_unit(bed, 1)
    commit.set()
    await revoking
    assert bed.log.committed == {("group", "in", 0): 1}
    await bed.assign(2)
    fresh = await bed.opened()
    leave.set()
    await applying
    assert fresh is not task
    assert fresh.state.counts == {"whole": 1}


async def begin_unit(bed: GroupBed, first: int) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Start a unit that stays half done until the event is set."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def unit_of_work() -> None:
        async with bed.unit(as_batch("in", 0, counted_records(first, first + 2))) as unit:
            assert unit is not None
            unit.state.add("half")
            entered.set()
            await leave.wait()

    applying = asyncio.create_task(unit_of_work())
    await entered.wait()
    return applying, leave


async def test_task_that_publishes_during_its_last_commit_is_not_kept(bed: GroupBed) -> None:
    """What was drained to be published may not be in Redis, and nothing would show it."""
    await bed.assign(1)
    task = await bed.opened()
    publishing = asyncio.Event()

    async def publish(_: object, *, complete: bool) -> None:
        if not complete and not task.dirty and commit is not None:
            publishing.set()
            await asyncio.sleep(60)

    commit = None
    bed.stage.publish = publish  # type: ignore[method-assign, assignment]  # is slow in the end
    async with task.lock:  # so that the flush on revoke is the one that commits
        task.advance("in", 1, [], 1)
        commit = bed.hold("commit")
        revoking = asyncio.create_task(bed.group.on_revoked())
    await asyncio.wait_for(publishing.wait(), 5)
    commit.set()
    await revoking
    assert bed.log.committed == {("group", "in", 0): 1}
    await bed.assign(2)
    assert (await bed.opened()) is not task


async def test_poll_whose_one_partition_was_closed_moves_the_others(bed: GroupBed) -> None:
    await bed.assign(1, (0, 1))
    closed, other = [await bed.opened(number) for number in (0, 1)]

    def close() -> None:
        closed.opened = False

    await two_units(bed, close)
    assert (closed.position, closed.retired) == ({"in": 0}, True)
    assert (other.position, other.retired) == ({"in": 3}, False)


async def test_partition_given_away_is_forgotten(bed: GroupBed) -> None:
    await bed.assign(1, (0, 1))
    await bed.opened(1)
    await bed.group.on_revoked()
    await bed.assign(2, (1,))
    assert [*bed.group.tasks] == [1]
    assert not bed.app.gates.admits(IN)


async def test_nothing_is_taken_before_state_is_restored(bed: GroupBed) -> None:
    bed.log.append("counts-changelog", 0, key=b"7", value=b"5")
    bed.log.committed["group", "in", 0] = 8
    restore = bed.hold("restore")
    await bed.assign(1)  # returns: heartbeats go on
    assert not bed.app.gates.admits(IN)
    assert await bed.apply(0, 9) == 0
    assert bed.app.health.readiness() == (False, ["counts restored"])
    restore.set()
    task = await bed.opened()
    assert (task.state.counts, task.position) == ({"7": 5}, {"in": 8})
    assert bed.app.seeks == [("in", 0, 8)]
    assert bed.app.health.readiness() == (True, [])


async def test_restore_goes_on_over_a_rebalance_that_keeps_the_partition(bed: GroupBed) -> None:
    restore = bed.hold("restore")
    await bed.assign(1)
    task = bed.group.tasks[0]
    await bed.group.on_revoked()
    await bed.assign(2)
    restore.set()
    assert await bed.opened() is task
    assert bed.log.epochs == {"group-counts-0": 1}  # fenced once


async def test_no_record_is_taken_while_another_input_is_still_seeking(
    two_inputs: GroupBed,
) -> None:
    """Else the agent would drop it, and nothing would fetch it again before the next one."""
    bed = two_inputs
    second = bed.hold("seek in")
    await bed.assign(1)
    await eventually(lambda: bed.app.seeks == [("plays", 0, 0)], 5)
    assert not bed.group.tasks[0].opened
    assert not bed.app.gates.admits(TopicPartition("plays", 0))
    second.set()
    await bed.opened()
    assert bed.app.gates.admits(TopicPartition("plays", 0))
    assert bed.app.gates.admits(IN)


async def test_failed_restore_stops_the_worker(bed: GroupBed) -> None:
    bed.log.append("counts-changelog", 0, key=b"x", value=b"not a number")
    await bed.assign(1)
    await eventually(lambda: bed.app.failure, 5)
    assert isinstance(bed.app.failure, ValueError)
    assert not bed.group.tasks[0].opened


async def test_fenced_commit_of_an_open_task_stops_the_worker(bed: GroupBed) -> None:
    await bed.assign(1)
    await bed.opened()
    bed.log.epochs["group-counts-0"] += 1  # another worker took over
    await bed.apply(0, 4)
    await eventually(lambda: bed.app.failure, 5)
    assert isinstance(bed.app.failure, ProducerFenced)
    assert bed.log.committed == {}


async def test_fenced_commit_on_revoke_is_nothing_but_the_end_of_the_task(bed: GroupBed) -> None:
    await bed.assign(1)
    task = await bed.opened()
    await bed.apply(0, 4)
    bed.log.epochs["group-counts-0"] += 1
    await bed.group.on_revoked()
    assert bed.app.failure is None
    assert task.retired
    await bed.assign(2)
    assert (await bed.opened()).position == {"in": 0}


async def test_inputs_of_unequal_partitions_are_refused(two_inputs: GroupBed) -> None:
    with pytest.raises(Misconfigured, match="unequal partitions") as raised:
        await two_inputs.group.on_assigned({"plays": {0, 1}, "in": {0}}, 1)
    assert "segue topics plan" in raised.value.remedy


def test_assignment_is_grouped_by_topic() -> None:
    assert assigned_numbers([("a", 0), ("b", 1), ("a", 2)]) == {"a": {0, 2}, "b": {1}}
    wrong: list[tuple[str, int]] = [(0, 1)]  # type: ignore[list-item]  # what must not come
    with pytest.raises(Bug):
        assigned_numbers(wrong)
