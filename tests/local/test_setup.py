"""Set-up: locks with hashes and no addresses, few dependencies, clear words when one is missing."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_has_a_hash_for_every_package_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.\-]+(\[[a-z,]+\])?==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
    assert not re.search(r"://|file:|^-|(^|\s)/", text, flags=re.MULTILINE)


def test_locks_agree_on_versions() -> None:
    dev = set(re.findall(r"^\S+==\S+", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE))
    for name in ("recommend", "tools"):
        other = (ROOT / f"requirements/{name}.txt").read_text()
        extra = set(re.findall(r"^\S+==\S+", other, re.MULTILINE)) - dev
        assert {entry.partition("==")[0] for entry in extra} <= {"uv"}


def test_base_dependencies_are_at_most_twelve() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(project["dependencies"]) <= 12


def test_recommend_worker_installs_without_torch() -> None:
    assert not re.search(r"^(torch|faiss)", (ROOT / "requirements/recommend.txt").read_text(), re.M)


def test_every_make_target_is_in_the_help() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "check", "bench", "chaos", "up", "down", "clean"):
        assert re.search(rf"^  {target} +\S", shown.stdout, re.MULTILINE), target


def install(path: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the install script with nothing on PATH but what `path` holds and a shell's basics."""
    for name in ("bash", "dirname", "mktemp", "rm", "tail", "id", "env"):
        found = shutil.which(name)
        assert found is not None
        (path / name).symlink_to(found)
    return subprocess.run(
        [str(path / "bash"), str(ROOT / "docker" / "install.sh"), *argv],
        env={"PATH": str(path), "HOME": os.environ.get("HOME", "/"), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_missing_python_is_one_sentence_and_the_remedy(tmp_path: Path) -> None:
    done = install(tmp_path, "python", str(tmp_path / "venv"), "dev", "none")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "segue: Python 3.11 or newer is needed"
    assert "set PYTHON" in done.stderr


def test_missing_redis_is_one_sentence_and_the_remedy(tmp_path: Path) -> None:
    done = install(tmp_path, "redis")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "segue: there is no redis-server on PATH"
    assert "apt-get install redis-server" in done.stderr
