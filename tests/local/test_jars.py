"""Java and Kafka's jars: what is missing is said in one sentence with the remedy."""

from pathlib import Path

import pytest

from segue.errors import Misconfigured, SegueError, Unavailable
from segue.local.jars import find_java, find_kafka_libs, java_version


def script(folder: Path, name: str, body: str) -> Path:
    """Write an executable shell script, standing for a program of this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing be fetched yet: our own pom, and an empty cache beside it."""
    pom = tmp_path / "docker" / "kafka" / "pom.xml"
    pom.parent.mkdir(parents=True)
    pom.write_text("<project/>")
    monkeypatch.setattr("segue.local.jars.PACKAGE_ROOT", tmp_path)
    monkeypatch.setattr("segue.local.jars.POM", pom)
    monkeypatch.delenv("SEGUE_KAFKA_LIBS", raising=False)
    return tmp_path


def test_real_java_and_jars_are_found() -> None:
    assert java_version(find_java()) >= 17
    assert any(find_kafka_libs().glob("kafka-clients-*.jar"))


def test_missing_java_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="needs Java 17 or newer, and there is none") as caught:
        find_java()
    assert "openjdk-17" in caught.value.remedy


@pytest.mark.parametrize(
    ("said", "version"), [('openjdk version "11.0.2" 2019', 11), ('java version "1.8.0_292"', 8)]
)
def test_old_java_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, version: int
) -> None:
    script(tmp_path / "bin", "java", f"echo '{said}' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Misconfigured, match=f"and .*java is {version}$"):
        find_java()


def test_missing_maven_names_both_ways_out(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(fresh_cache))
    with pytest.raises(Misconfigured, match="no mvn on PATH") as caught:
        find_kafka_libs()
    assert "apt-get install maven" in caught.value.remedy
    assert "SEGUE_KAFKA_LIBS" in caught.value.remedy


def test_maven_without_network_is_one_sentence_and_leaves_nothing(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(fresh_cache / "bin", "mvn", "echo '[ERROR] Unknown host repo.example'; exit 1")
    monkeypatch.setenv("PATH", f"{fresh_cache / 'bin'}:/usr/bin:/bin")
    with pytest.raises(Unavailable, match=r"jars: Unknown host repo\.example$") as caught:
        find_kafka_libs()
    assert "network" in caught.value.remedy
    assert list((fresh_cache / ".segue" / "kafka-libs").iterdir()) == []


def test_jars_are_fetched_once_for_each_pom(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = fresh_cache / "runs"
    body = 'for last; do :; done; d="${last#*=}"; mkdir "$d"; touch "$d/kafka_2.13-9.jar"'
    script(fresh_cache / "bin", "mvn", f"{body}; echo run >> {runs}")
    monkeypatch.setenv("PATH", f"{fresh_cache / 'bin'}:/usr/bin:/bin")
    first = find_kafka_libs()
    assert find_kafka_libs() == first
    assert runs.read_text() == "run\n"
    (fresh_cache / "docker" / "kafka" / "pom.xml").write_text("<project>new</project>")
    assert find_kafka_libs() != first
    assert runs.read_text() == "run\nrun\n"


def test_named_folder_without_kafka_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGUE_KAFKA_LIBS", str(tmp_path))
    with pytest.raises(SegueError, match=r"where no kafka_2\.13 jar is"):
        find_kafka_libs()
    (tmp_path / "kafka_2.13-4.1.1.jar").touch()
    assert find_kafka_libs() == tmp_path
