"""Guards against names that other packages on the path could take or hide."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "agents", "models", "schemas", "segue")


@pytest.mark.parametrize("name", PACKAGES)
def test_package_resolves_inside_the_repository(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None, "a package without __init__.py is merged with strangers"
    assert Path(spec.origin).is_relative_to(ROOT)


@pytest.mark.parametrize("name", PACKAGES)
def test_package_says_that_it_is_typed(name: str) -> None:
    assert (ROOT / name / "py.typed").is_file()


def test_docker_folder_holds_no_python() -> None:
    # Python there would hide the Docker SDK, whose import name is `docker`.
    assert sorted((ROOT / "docker").rglob("*.py")) == []


def test_tests_are_no_package() -> None:
    # A package `tests` at the top would be importable, and another project's could take its place.
    assert sorted((ROOT / "tests").rglob("__init__.py")) == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    found = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    assert len(found) > 10
    assert [path for path in found if path.name in drawers] == []
