"""Reads the settings once and says in one sentence what is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from segue.config.settings import Settings
from segue.config.sources import ENV_FILE, environment_name, unknown_variables
from segue.errors import Bug, Misconfigured

__all__ = ["load_settings"]

SHOWN_MAX = 60

_warned: set[str] = set()  # variables already named in this process


def load_settings(*, env_file: Path | None = None, **overrides: Any) -> Settings:
    """Read arguments, environment and .env; warn on stderr of SEGUE_ variables we do not know.

    `overrides` are fields by name, of any type a field accepts. Raises Misconfigured naming the
    first wrong setting, without its value if it is secret.
    """
    unknown = overrides.keys() - Settings.model_fields.keys()
    if unknown:
        raise Bug(f"no such setting: {', '.join(sorted(unknown))}")
    _warn_unknown(env_file)
    try:
        # Pydantic's own argument, which the type of Settings does not show.
        return Settings(_env_file=env_file or ENV_FILE, **overrides)  # type: ignore[call-arg]
    except ValidationError as error:
        # Not chained: pydantic's error holds the values given, and some are secret.
        raise _misconfigured(error) from None


def _warn_unknown(env_file: Path | None) -> None:
    for variable, nearest in unknown_variables(Settings, env_file).items():
        if variable in _warned:
            continue
        _warned.add(variable)
        hint = f"did you mean {nearest}?" if nearest else "`segue config show` lists all settings"
        sys.stderr.write(f"segue: warning: {variable} is not a setting; {hint}\n")


def _misconfigured(error: ValidationError) -> Misconfigured:
    """Return the first problem as an error of ours; the count of the others goes with it."""
    problems = error.errors(include_url=False)
    first = problems[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    setting = environment_name(name)
    said = first["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    given = "" if _is_secret(name) else f" (it is {_shortened(first['input'])})"
    more = len({str(problem["loc"][:1]) for problem in problems}) - 1
    others = f"; {more} more {'is' if more == 1 else 'are'} wrong" if more else ""
    field = Settings.model_fields.get(name)
    about = (field.description or "") if field else ""
    return Misconfigured(
        f"{setting}: {said}{given}{others}",
        setting=setting,
        remedy=f"{setting}: {about} Default: {_default(name)}" if field else "",
    )


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is None or "SecretStr" in str(field.annotation)


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()  # the default in our own source is no secret
    return "none" if default is None else str(default)
