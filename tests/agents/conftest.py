"""Agents in Faust's test context."""

from collections.abc import AsyncIterator

import pytest

from segue.testing.agent_bed import AgentBed


@pytest.fixture
async def bed() -> AsyncIterator[AgentBed]:
    async with AgentBed() as made:
        yield made
