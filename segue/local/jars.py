"""Kafka's jars by Maven, and the Java that runs them.

The pom (docker/kafka/pom.xml) names the versions; the jars lie in `.segue/kafka-libs/HASH`, HASH
being the pom's, so that a new pom fetches anew and an old one is found again. All data folders of a
machine share them. `SEGUE_KAFKA_LIBS` names another folder of jars, and then nothing is fetched.
`python -m segue.local` fetches them ahead of the first start.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from segue.errors import Misconfigured, SegueError, Unavailable

LIBS_SETTING = "SEGUE_KAFKA_LIBS"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
POM = PACKAGE_ROOT / "docker" / "kafka" / "pom.xml"
PACKAGED_POM = Path(__file__).with_name("pom.xml")  # in a wheel there is no docker/
JAVA_VERSION_MIN = 17
MAVEN_TIMEOUT_S = 600.0


def find_kafka_libs() -> Path:
    """Return the folder of Kafka's jars; resolve it by Maven when it is not there yet (25 s).

    Raises Misconfigured when SEGUE_KAFKA_LIBS or Maven's install is wrong, Unavailable when Maven
    cannot reach its repository.
    """
    named = os.environ.get(LIBS_SETTING)
    if named:
        return _checked(Path(named))
    pom = POM if POM.exists() else PACKAGED_POM
    cache = PACKAGE_ROOT / ".segue" if pom == POM else Path.home() / ".cache" / "segue"
    libs = cache / "kafka-libs" / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if not libs.exists():
        _resolve(pom, libs)
    return libs


def find_java() -> str:
    """Return the path of a Java of version 17 or newer: JAVA_HOME's, else the one on PATH.

    Raises Misconfigured when there is none or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = "install a Java runtime (Debian: apt-get install openjdk-17-jre-headless)"
    if java is None or not Path(java).exists():
        raise Misconfigured(
            f"Kafka needs Java {JAVA_VERSION_MIN} or newer, and there is none",
            setting="JAVA_HOME",
            remedy=remedy,
        )
    version = java_version(java)
    if version < JAVA_VERSION_MIN:
        raise Misconfigured(
            f"Kafka needs Java {JAVA_VERSION_MIN} or newer, and {java} is {version or 'broken'}",
            setting="JAVA_HOME",
            remedy=f"{remedy}, or point JAVA_HOME to one",
        )
    return java


def java_version(java: str) -> int:
    """Return the feature version (17, 21; 8 for "1.8") of the `java` at this path, 0 if broken."""
    run = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', run.stderr)
    return int(found[1]) if found else 0


def _checked(libs: Path) -> Path:
    """Return `libs` if Kafka's main jar is in it."""
    if not any(libs.glob("kafka_2.13-*.jar")):
        raise Misconfigured(
            f"{LIBS_SETTING} names {libs}, where no kafka_2.13 jar is",
            setting=LIBS_SETTING,
            remedy="point it to the folder of Kafka's jars, or unset it to let Maven fetch them",
        )
    return libs


def _resolve(pom: Path, libs: Path) -> None:
    """Let Maven copy the jars that `pom` names into `libs`, which appears whole or not at all."""
    maven = shutil.which("mvn")
    if maven is None:
        raise Misconfigured(
            "Kafka's jars are fetched by Maven, and there is no mvn on PATH",
            setting=LIBS_SETTING,
            remedy=f"install it (Debian: apt-get install maven), or point {LIBS_SETTING} to jars",
        )
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent) as folder:
        # Outside the tree: Maven would write a target/ folder beside the pom.
        shutil.copy(pom, Path(folder) / "pom.xml")
        output = Path(folder) / "libs"
        goal = "dependency:copy-dependencies"
        try:
            run = subprocess.run(
                [maven, "-q", "-B", goal, f"-DoutputDirectory={output}"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=MAVEN_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(
                f"Maven did not fetch Kafka's jars in {MAVEN_TIMEOUT_S:.0f} s",
                what="maven",
                remedy="check the network, then try again",
            ) from error
        if run.returncode != 0:
            raise _maven_failed(run.stdout + run.stderr)
        _checked(output)
        output.replace(libs)


def _maven_failed(output: str) -> SegueError:
    """Build the error for a failed Maven run from its first line of complaint."""
    lines = [line for line in output.splitlines() if "ERROR" in line]
    reason = re.sub(r"^\W*ERROR\W*", "", lines[0]) if lines else "it said nothing"
    return Unavailable(
        f"Maven could not fetch Kafka's jars: {reason[:300]}",
        what="maven",
        remedy="check the network (or Maven's settings.xml for a mirror), then try again",
    )
