"""`segue arms`: how the experiment arms do, by the metrics of the workers."""

from __future__ import annotations

import asyncio

import click
import orjson
from rich.console import Console

from segue.config import load_settings
from segue.demo.arms import (
    ArmSums,
    accepted_rows,
    accepted_table,
    arm_rows,
    arms_table,
    explored_rows,
    explored_table,
    shown_rows,
    shown_table,
)
from segue.demo.scrape import read_pages
from segue.errors import Misconfigured, Unavailable
from segue.local.rundir import RunDirectory


@click.command()
@click.option(
    "--worker",
    "workers",
    multiple=True,
    help="HOST:PORT of a worker's metrics; may be given again. Default: those of `segue up`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def arms(*, workers: tuple[str, ...], as_json: bool) -> None:
    """Show each arm's hit rates, ranks and acceptance, by source and by strategy of exploring
    too, with intervals of 95 %.

    A play tests the lists that stood before it: `next` by every play, `discover` by tracks new to
    the listener. Sums are those of all workers since each of them started. The intervals follow
    from how far 16 random cohorts of an arm's listeners differ, as what one listener does is not
    independent; those of a source take it to be as uncertain as its list.
    """
    places = [_place(worker) for worker in workers] or _own_workers()
    pages = asyncio.run(read_pages(places))
    if not pages:
        raise Unavailable(
            "no worker answers", what="workers", remedy="`segue status` shows what runs"
        )
    sums = ArmSums(pages)
    rows, shown = arm_rows(sums), shown_rows(sums)
    accepted, explored = accepted_rows(sums), explored_rows(sums)
    if as_json:
        found = {
            **{"workers": len(pages), "arms": rows},
            **{"accepted": accepted, "shown": shown, "explored": explored},
        }
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    if not rows and not shown:
        click.echo("no play has tested a list yet, and nothing was shown")
    if rows:
        Console().print(arms_table(rows))
    if shown:
        Console().print(accepted_table(accepted))
        Console().print(shown_table(shown))
    if explored:
        Console().print(explored_table(explored))


def _own_workers() -> list[tuple[str, int]]:
    endpoints = RunDirectory(load_settings().data_dir).read_endpoints()
    return [("127.0.0.1", worker.web_port) for worker in endpoints.workers] if endpoints else []


def _place(worker: str) -> tuple[str, int]:
    host, _, port = worker.rpartition(":")
    if not host or not port.isdigit():
        raise Misconfigured(f"--worker: {worker!r} is not HOST:PORT", setting="--worker")
    return host, int(port)
