"""A flood of bad messages pauses its partition until an operator accepts it."""

import asyncio
from collections.abc import Iterable
from typing import Any

from agents.deps import Deps
from schemas.rediskeys import accept_key, paused_key
from segue.telemetry.logs import get_logger
from streams.batches import Batch
from streams.intake import Intake
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.unit import Unit

__all__ = ["pause_if_flooded"]

logger = get_logger(__name__)

ASK_INTERVAL_S = 0.5
ANNOUNCE_TTL_S = 10
_waiting: set[asyncio.Task[None]] = set()


async def pause_if_flooded(
    group: TaskGroup[Any], units: Iterable[Unit[Any]], intake: Intake[Any], deps: Deps
) -> None:
    """Pause the partitions of those units of whose last messages too many were bad.

    Nothing is lost meanwhile: the records wait in Kafka. Readiness says why.
    """
    for unit in units:
        await _pause_if_flooded(group, unit.batch, intake, deps)


async def _pause_if_flooded(
    group: TaskGroup[Any], batch: Batch, intake: Intake[Any], deps: Deps
) -> None:
    task = group.tasks.get(batch.partition)
    if task is None or not intake.bad_share(batch.partition).tripped:
        return
    if batch.topic in task.paused_topics:
        return
    await group.pause(task, batch.topic)
    logger.error("partition_paused", topic=batch.topic, partition=batch.partition)
    waiting = asyncio.create_task(_until_accepted(group, task, batch.topic, intake, deps))
    _waiting.add(waiting)
    waiting.add_done_callback(_waiting.discard)


async def _until_accepted(
    group: TaskGroup[Any], task: PartitionTask[Any], topic: str, intake: Intake[Any], deps: Deps
) -> None:
    """Wait for `segue dlq accept`, as long as the partition is ours."""
    partition = task.partition
    reason = f"{topic} partition {partition} paused: too many bad messages (segue dlq accept)"
    deps.health.not_ready(reason)
    try:
        while not task.retired:
            await deps.sink.announce(paused_key(topic, partition), reason, ANNOUNCE_TTL_S)
            if await deps.sink.take(accept_key(topic, partition)):
                await deps.sink.take(paused_key(topic, partition))
                intake.bad_share(partition).accept()
                await group.resume(task, topic)
                logger.info("partition_accepted", topic=topic, partition=partition)
                return
            await asyncio.sleep(ASK_INTERVAL_S)
    finally:
        deps.health.ready(reason)
