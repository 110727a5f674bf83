"""Image and compose file: valid by the compose schema and a linter, published on loopback only."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
BIN = Path(sys.executable).parent


def run(*argv: str | Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_file_fits_the_compose_schema() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="hadolint's only wheel"
)
def test_dockerfile_passes_its_linter() -> None:
    run(BIN / "hadolint", ROOT / "docker" / "Dockerfile")


def test_ports_are_published_on_the_loopback_only() -> None:
    published = re.findall(r"^ +ports: (.*)$", COMPOSE.read_text(), flags=re.MULTILINE)
    assert len(published) == 2
    assert all(line.startswith('["127.0.0.1:') for line in published)


def test_compose_runs_kafka_with_the_properties_of_the_local_node() -> None:
    from segue.local.kafka_properties import server_properties

    text = server_properties(node_id=1, port=9092, voters={1: 9093}, log_dir=Path("x"))
    ours = dict(line.split("=", 1) for line in text.splitlines())
    theirs = dict(re.findall(r'^ +KAFKA_([A-Z_]+): "([^"]*)"$', COMPOSE.read_text(), flags=re.M))
    assert len(theirs) >= 15
    for name, value in theirs.items():
        assert ours[name.lower().replace("_", ".")] == value, name


def test_docker_folder_holds_no_python() -> None:
    assert list((ROOT / "docker").rglob("*.py")) == []
