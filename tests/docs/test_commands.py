"""Every command says what it does, and is on the page of the command line."""

import importlib
import pkgutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import segue.cli
from segue.cli.reference import walk

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
EVERY = [(path, command) for path, command, _ in walk()]
NAMES = [path for path, _ in EVERY]


def test_every_verb_is_walked_in_the_order_of_the_root_command() -> None:
    verbs = [path.removeprefix("segue ") for path in NAMES if path.count(" ") == 1]
    assert verbs == list(segue.cli.COMMANDS)


def test_every_command_that_a_module_defines_can_be_reached() -> None:
    reached = {id(command) for _, command in EVERY}
    lost = []
    for info in pkgutil.iter_modules(segue.cli.__path__):
        if info.name == "__main__":
            continue
        module = importlib.import_module(f"segue.cli.{info.name}")
        lost += [
            f"{info.name}:{name}"
            for name, value in vars(module).items()
            if isinstance(value, click.Command) and value is not segue.cli.segue
            if id(value) not in reached
        ]
    assert lost == []


@pytest.mark.parametrize(("path", "command"), EVERY, ids=NAMES)
def test_command_has_help_that_is_a_sentence(path: str, command: click.Command) -> None:
    text = (command.help or "").strip()
    assert text, f"{path} has no help"
    first = text.splitlines()[0]
    assert first[0].isupper()
    assert text.endswith((".", "`", ")")), text


@pytest.mark.parametrize(("path", "command"), EVERY, ids=NAMES)
def test_every_option_has_help(path: str, command: click.Command) -> None:
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(("path", "command"), EVERY, ids=NAMES)
def test_command_and_its_options_are_on_the_page(path: str, command: click.Command) -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, _, rest = page.partition(f"# {path}\n")
    assert rest, f"no heading for {path}"
    section = rest.split("\n## ")[0].split("\n### ")[0]
    options = [option for option in command.params if isinstance(option, click.Option)]
    names = [name for option in options for name in option.opts]
    assert [name for name in names if f"`{name}`" not in section] == []


@pytest.mark.parametrize("path", NAMES)
def test_help_can_be_asked_for(path: str) -> None:
    result = CliRunner().invoke(segue.cli.segue, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def test_unknown_verb_exits_with_2() -> None:
    result = CliRunner().invoke(segue.cli.segue, ["sing"])
    assert result.exit_code == 2
    assert "No such command 'sing'" in result.output
