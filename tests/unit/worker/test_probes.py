"""The worker's small server, asked over HTTP."""

import socket

import aiohttp
import pytest

from segue.errors import Misconfigured
from segue.probes import serve_probes
from segue.telemetry import metrics
from segue.telemetry.health import Health
from segue.testing import ManualClock

LOOPBACK = "127.0.0.1"


async def get(port: int, path: str) -> tuple[int, str, str]:
    """Status, type and body of a page."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{LOOPBACK}:{port}{path}") as response,
    ):
        return response.status, response.content_type, await response.text()


async def test_metrics_page_shows_what_was_counted() -> None:
    metrics.EVENTS.labels("plays", "applied").inc(0)
    before = metrics.EVENTS.labels("plays", "applied")._value.get()
    async with serve_probes(Health(), LOOPBACK, 0) as port:
        metrics.EVENTS.labels("plays", "applied").inc(3)
        status, kind, body = await get(port, "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert f'segue_events_total{{agent="plays",outcome="applied"}} {before + 3}' in body


async def test_alive_without_work_and_not_when_work_stands_still() -> None:
    clock = ManualClock()
    health = Health(clock, stuck_after_s=10)
    health.watch("listeners", lambda: True)
    async with serve_probes(health, LOOPBACK, 0) as port:
        assert await get(port, "/health/live") == (
            200, "application/json", '{"live": true, "stuck": []}',
        )  # fmt: skip
        clock.advance(s=10)
        assert await get(port, "/health/live") == (
            503, "application/json", '{"live": false, "stuck": ["listeners"]}',
        )  # fmt: skip
        health.beat("listeners")
        assert (await get(port, "/health/live"))[0] == 200


async def test_not_ready_says_what_it_waits_for() -> None:
    health = Health()
    health.not_ready("assigned")
    health.not_ready("redis")
    async with serve_probes(health, LOOPBACK, 0) as port:
        assert await get(port, "/health/ready") == (
            503, "application/json", '{"ready": false, "waiting_for": ["assigned", "redis"]}',
        )  # fmt: skip
        health.ready("assigned")
        health.ready("redis")
        assert await get(port, "/health/ready") == (
            200, "application/json", '{"ready": true, "waiting_for": []}',
        )  # fmt: skip


async def test_unknown_page_is_none() -> None:
    async with serve_probes(Health(), LOOPBACK, 0) as port:
        assert (await get(port, "/"))[0] == 404


async def test_taken_port_names_the_setting_and_the_remedy() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} on {LOOPBACK} is taken") as raised:
            async with serve_probes(Health(), LOOPBACK, port):
                pass
    assert raised.value.setting == "SEGUE_WEB_PORT"
    assert "SEGUE_WEB_PORT" in raised.value.remedy


async def test_port_is_free_again_afterwards() -> None:
    async with serve_probes(Health(), LOOPBACK, 0) as port:
        pass
    async with serve_probes(Health(), LOOPBACK, port) as again:
        assert again == port
