"""The command line: one module per verb, loaded when it is called."""

import importlib
import sys

import click

from segue import __version__
from segue.errors import SegueError

__all__ = ["COMMANDS", "LazyGroup", "main", "segue"]

COMMANDS: dict[str, str] = {
    "demo": "segue.cli.demo:demo",
    "up": "segue.cli.up:up",
    "down": "segue.cli.down:down",
    "status": "segue.cli.status:status",
    "next": "segue.cli.lists:next_",
    "discover": "segue.cli.lists:discover",
    "explain": "segue.cli.explain:explain",
    "similar": "segue.cli.lists:similar",
    "trends": "segue.cli.lists:trends",
    "arms": "segue.cli.arms:arms",
    "simulate": "segue.cli.simulate:simulate",
    "feed": "segue.cli.feed:feed",
    "tracks": "segue.cli.tracks:tracks",
    "replay": "segue.cli.replay:replay",
    "check": "segue.cli.check:check",
    "index": "segue.cli.index:index",
    "fingerprint": "segue.cli.fingerprint:fingerprint",
    "worker": "segue.cli.worker:worker",
    "topics": "segue.cli.topics:topics",
    "privacy": "segue.cli.privacy:privacy",
    "dlq": "segue.cli.dlq:dlq",
    "config": "segue.cli.config:config",
    "schemas": "segue.cli.schemas:schemas",
    "docs": "segue.cli.docs:docs",
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of a verb, or None."""
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="segue")
def segue() -> None:
    """Real-time stream processor for music services."""


def main() -> None:
    """Run the command line. An error of ours becomes one line and its exit code."""
    try:
        segue.main(standalone_mode=True)
    except SegueError as error:
        click.echo(f"segue: {error}", err=True)
        if error.remedy:
            click.echo(f"       {error.remedy}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
