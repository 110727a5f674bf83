"""The worker's small HTTP server: /metrics, /health/live, /health/ready. Loopback by default.

Liveness means progress, readiness means assigned and restored; see `segue.telemetry.health`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from segue.errors import Misconfigured
from segue.telemetry.health import Health
from segue.telemetry.metrics import REGISTRY

__all__ = ["serve_probes"]


@asynccontextmanager
async def serve_probes(health: Health, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port. Raises `Misconfigured` if it is taken."""

    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, REGISTRY)  # 10 ms that lists need not wait
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def live(_: web.Request) -> web.Response:
        alive, stuck = health.liveness()
        return web.json_response({"live": alive, "stuck": stuck}, status=200 if alive else 503)

    async def ready(_: web.Request) -> web.Response:
        is_ready, reasons = health.readiness()
        body = {"ready": is_ready, "waiting_for": reasons}
        return web.json_response(body, status=200 if is_ready else 503)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise Misconfigured(
                f"port {port} on {host} is taken",
                setting="SEGUE_WEB_PORT",
                remedy="set SEGUE_WEB_PORT to a free port, or 0 for any",
            ) from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
