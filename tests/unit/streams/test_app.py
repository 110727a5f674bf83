"""The app: what it is built with, and that nothing unexpected ends quietly."""

import asyncio
from typing import Any

import pytest

from segue.errors import Misconfigured
from segue.telemetry.health import Health
from segue.testing import eventually, fresh_settings
from segue.testing.memory_log import MemoryLog, memory_kafka
from segue.testing.memory_stage import MemoryStage
from streams.app import SegueApp, create_app
from streams.gates import TopicPartition
from streams.tasks import TaskGroup
from streams.transport import SCHEME


def new_app(health: Health | None = None, **overrides: Any) -> SegueApp:
    return create_app(fresh_settings(**overrides), health or Health())


async def test_app_of_a_role_is_one_group_on_the_batching_transport() -> None:
    app = new_app(group_prefix="acme-", kafka_bootstrap="a:1,b:2")
    assert app.conf.id == "acme-recommend"
    assert [str(url) for url in app.conf.broker] == [f"{SCHEME}://a:1", f"{SCHEME}://b:2"]
    conf: Any = app.conf  # its descriptors are typed as methods
    assert conf.autodiscover is False
    assert app.conf.web_enabled is False


async def test_password_never_goes_without_tls_context() -> None:
    app = new_app(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="segue",
        kafka_sasl_password="secret",
    )
    credentials: Any = app.conf.broker_credentials
    assert credentials.username == "segue"
    assert credentials.ssl_context is not None


async def test_not_ready_until_assigned() -> None:
    health = Health()
    app = new_app(health)
    assert health.readiness() == (False, ["assigned"])
    await app.assigned([])
    assert health.readiness() == (True, [])


async def test_assignment_that_fails_stops_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust would stop as well, but the process would end as if nothing had happened."""
    health = Health()
    app = new_app(health)
    failed: list[Exception] = []
    monkeypatch.setattr(app, "fail", failed.append)
    stage = MemoryStage(inputs=("plays", "feedback"))
    app.groups.append(TaskGroup(stage, app=app, settings=fresh_settings()))
    await app.assigned([("plays", 0)])
    assert [type(error) for error in failed] == [Misconfigured]
    assert health.readiness() == (False, ["assigned"])


async def test_stopping_takes_no_longer_than_it_may() -> None:
    held = asyncio.Event()

    async def never(point: str) -> None:
        if point == "commit":
            await held.wait()

    app = new_app(drain_timeout_s=0.2)
    app.seek = seek_nowhere  # type: ignore[method-assign]  # there is no consumer
    group = TaskGroup(MemoryStage(), app=app, settings=fresh_settings())
    app.groups.append(group)
    with memory_kafka(MemoryLog(never)):
        await app.assigned([("in", 0)])
        app.flow_control.resume()  # Faust's last step of a rebalance
        await eventually(lambda: group.tasks[0].opened, 5)
        group.tasks[0].advance("in", 1, [], 1)
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        await app.on_stop()
        assert 0.2 <= loop.time() - started_s < 1.5
        held.set()
        await group.drain()


async def seek_nowhere(tp: TopicPartition, offset: int) -> None:
    """There is no consumer."""
