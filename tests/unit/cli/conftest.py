from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from segue.cli import segue
from segue.testing.recorded import recorded, song


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five songs in five formats, in folders, among files that are no sound."""
    folder = tmp_path_factory.mktemp("library")
    for number, name in enumerate(("a/zero.mp3", "a/one.flac", "b/two.opus", "b/three.m4a")):
        recorded(folder / name, song(number))
    recorded(folder / "four.wav", song(4))
    (folder / "a" / "cover.jpg").write_bytes(b"no sound")
    (folder / "a" / "._zero.mp3").write_bytes(b"what macOS leaves")
    return folder


@pytest.fixture(scope="session")
def built(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of them."""
    into = tmp_path_factory.mktemp("built") / "index"
    arguments = ["index", "build", str(library), "--into", str(into), "--workers", "1"]
    result = CliRunner().invoke(segue, arguments)
    assert result.exit_code == 0, result.output
    return into
