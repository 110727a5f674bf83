"""Where the value of a setting came from, and which variables are no setting at all."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from dotenv import dotenv_values
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

if TYPE_CHECKING:
    from segue.config.settings import Settings

__all__ = [
    "ENV_FILE",
    "OTHER_VARIABLES",
    "Source",
    "environment_name",
    "setting_sources",
    "unknown_variables",
]

PREFIX: Final = "SEGUE_"
ENV_FILE: Final = Path(".env")
"""Read from the working directory when it exists."""

OTHER_VARIABLES: Final[dict[str, str]] = {
    "SEGUE_KAFKA_LIBS": "Folder with Kafka's jars for `segue up`, instead of those Maven fetches.",
    "SEGUE_BENCH_PEER_PYTHON": "Python of the environment that holds the benchmarks' peers.",
}
"""Variables that are no settings of a worker: the one that reads each says so."""

Source = Literal["argument", "env", ".env", "default"]


def environment_name(name: str) -> str:
    """Return the variable of a setting: `partitions` -> `SEGUE_PARTITIONS`."""
    return PREFIX + name.upper()


def setting_sources(
    kind: type[Settings], overrides: Mapping[str, Any], env_file: Path | None = None
) -> dict[str, Source]:
    """Return for each setting where its value comes from, the strongest first.

    Reads the environment and the .env file again, so call it right beside `load_settings`.
    """
    env = EnvSettingsSource(kind)()
    dotenv = DotEnvSettingsSource(kind, env_file=env_file or ENV_FILE)()

    def source(name: str) -> Source:
        if name in overrides:
            return "argument"
        if name in env:
            return "env"
        return ".env" if name in dotenv else "default"

    return {name: source(name) for name in kind.model_fields}


def unknown_variables(kind: type[Settings], env_file: Path | None = None) -> dict[str, str]:
    """Return each SEGUE_ variable that is no setting, with the nearest setting or ""."""
    known = [environment_name(name) for name in kind.model_fields]
    path = env_file or ENV_FILE
    given = {*os.environ, *(dotenv_values(path) if path.is_file() else ())}
    unknown = {
        variable
        for variable in given
        if variable.upper().startswith(PREFIX)
        and variable.upper() not in {*known, *OTHER_VARIABLES}
    }
    return {variable: _nearest(variable, known) for variable in sorted(unknown)}


def _nearest(variable: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.7)
    return matches[0] if matches else ""
