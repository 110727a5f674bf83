"""Run coroutines at the same time; the first failure ends the others and is what is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Await all. On a failure cancel the others, wait until they ended, raise the failure.

    Unlike `asyncio.gather`, none goes on in the background; unlike a bare task group, the failure
    comes as itself and not in a group, so that callers see the SegueError.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
