"""`segue worker`: run one worker process of a role in the foreground."""

from typing import Any

import click

from segue.config import load_settings

ROLES = ("recommend",)


@click.command()
@click.argument("role", type=click.Choice(ROLES), default="recommend")
@click.option("--web-port", type=int, help="Port for /metrics and /health (0: any free one).")
def worker(role: str, web_port: int | None) -> None:
    """Run a worker of ROLE until SIGTERM or SIGINT; both flush and hand over first."""
    from segue.worker import run_worker

    overrides: dict[str, Any] = {"role": role}
    if web_port is not None:
        overrides["web_port"] = web_port
    run_worker(load_settings(**overrides))
