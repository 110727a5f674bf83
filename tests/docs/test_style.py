"""Limits of style that a linter does not know, by the syntax tree of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "agents", "models", "schemas", "segue")
MODULES = sorted(
    path.relative_to(ROOT)
    for top in (*PACKAGES, "tests", "bench")
    for path in (ROOT / top).rglob("*.py")
)
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
NO_JOB = {"utils", "helpers", "common", "misc", "manager", "handler"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_there_are_modules_to_look_at() -> None:
    assert {path.parts[0] for path in MODULES} >= {*PACKAGES, "tests"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_and_its_functions_are_short(module: Path) -> None:
    text = (ROOT / module).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    long = {
        node.name: lines_of(node)
        for node in functions(ast.parse(text))
        if lines_of(node) > FUNCTION_LINES_MAX
    }
    assert long == {}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_is_named_after_its_job(module: Path) -> None:
    assert module.stem not in NO_JOB


@pytest.mark.parametrize("module", [path for path in MODULES if path.parts[0] in PACKAGES], ids=str)
def test_module_says_what_it_is_for(module: Path) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8")))
    assert docstring


@pytest.mark.parametrize("package", PACKAGES)
def test_package_ships_its_types(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_docker_holds_no_python() -> None:
    assert list((ROOT / "docker").rglob("*.py")) == []


def test_tests_are_no_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
