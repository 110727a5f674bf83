"""`segue config show`: every setting, its value, and where the value comes from."""

from __future__ import annotations

import click
import orjson

from segue.config import SECTIONS, Settings, environment_name, load_settings, setting_sources

__all__ = ["config"]

VALUE_WIDTH = 34


@click.group()
def config() -> None:
    """See the settings that a worker started here would use."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print name, value and source as JSON.")
@click.option("--changed", is_flag=True, help="Only those that are not at their default.")
def show(*, as_json: bool, changed: bool) -> None:
    """Print each setting, its value and its source: env, .env or default. Secrets are hidden."""
    values = load_settings().redacted()
    sources = setting_sources(Settings, {})
    shown = {
        name: {"value": value, "source": sources[name]}
        for name, value in values.items()
        if not changed or sources[name] != "default"
    }
    if as_json:
        named = {environment_name(name): entry for name, entry in shown.items()}
        click.echo(orjson.dumps(named, default=str, option=orjson.OPT_INDENT_2))
        return
    for name in values:
        if name in SECTIONS and not changed:
            click.echo(f"\n{SECTIONS[name]}" if name != next(iter(values)) else SECTIONS[name])
        if name in shown:
            click.echo(_line(name, shown[name]["value"], sources[name]))
    if changed and not shown:
        click.echo("every setting is at its default")


def _line(name: str, value: object, source: str) -> str:
    text = "-" if value is None else str(value)
    return f"  {environment_name(name):<36} {text:<{VALUE_WIDTH}} {source}"
