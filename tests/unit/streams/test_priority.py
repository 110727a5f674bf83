"""Background work waits for calm, one step at a time, but not for ever."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from streams import priority as module
from streams.batches import Batch, Poll
from streams.priority import Priority


def a_poll() -> Poll:
    return Poll.of(Batch("plays", 0, [object()], 0))


@pytest.fixture
async def priority() -> AsyncIterator[Priority]:
    yield Priority()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_background_waits_until_the_last_urgent_poll_is_done(
    priority: Priority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 60)
    first, second = a_poll(), a_poll()
    priority.add(first)
    priority.add(second)
    waiting = asyncio.create_task(priority.give_way())
    priority.done(first)
    await turns()
    assert not waiting.done()
    priority.done(second)
    await asyncio.wait_for(waiting, 5)


async def test_one_step_at_a_time(priority: Priority) -> None:
    steps: list[str] = []

    async def background(name: str) -> None:
        for _ in range(3):
            await priority.give_way()
            steps.append(name)
            if len(steps) == 2:  # a poll comes between two steps that were both waiting
                priority.add(urgent)

    urgent = a_poll()
    running = [asyncio.create_task(background(name)) for name in "ab"]
    await turns()
    assert steps == ["a", "b"]
    priority.done(urgent)
    await asyncio.wait_for(asyncio.gather(*running), 5)
    assert sorted(steps) == [*"aaabbb"]


async def test_patience_ends(priority: Priority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    urgent = a_poll()
    priority.add(urgent)
    await asyncio.wait_for(priority.give_way(), 5)


async def test_a_worker_that_is_behind_holds_nothing_back(
    priority: Priority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 60)
    urgent = a_poll()
    priority.add(urgent)
    priority.fall_behind()
    await asyncio.wait_for(priority.give_way(), 5)


async def test_a_poll_that_was_dropped_holds_up_nobody(priority: Priority) -> None:
    priority.add(a_poll())
    gc.collect()
    await asyncio.wait_for(priority.give_way(), 5)
