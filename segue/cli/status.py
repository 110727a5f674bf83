"""`segue status`: what `segue up` runs now."""

from __future__ import annotations

from dataclasses import asdict

import click
import orjson
from rich.console import Console

from segue.config import load_settings
from segue.local.rundir import RunDirectory
from segue.local.table import status_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """Show every process: state, pid, port, restarts, readiness.

    Exit code 0 when all are ready, 1 otherwise.
    """
    state = RunDirectory(load_settings().data_dir).read_state()
    if as_json:
        click.echo(orjson.dumps(asdict(state) | {"ready": state.ready}, option=orjson.OPT_INDENT_2))
    elif state.stage == "down":
        click.echo("nothing runs; `segue up` starts it")
    else:
        Console().print(status_table(state))
    context.exit(0 if state.ready else 1)
