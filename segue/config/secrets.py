"""How a secret setting looks to people: never as itself."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

__all__ = ["HIDDEN", "hidden"]

HIDDEN: Final = "***"


def hidden(name: str, value: Any) -> Any:  # any type that a setting has
    """Return `value`, without what is secret in it.

    Of an address the server stays readable; user, password and query do not (a Redis address may
    hold a password in each of the latter).
    """
    if not isinstance(value, SecretStr):
        return value
    if not name.endswith("_url"):
        return HIDDEN
    parts = urlsplit(value.get_secret_value())
    login, _, server = parts.netloc.rpartition("@")
    shown = f"{parts.scheme}://{HIDDEN + '@' if login else ''}{server}{parts.path}"
    return f"{shown}?{HIDDEN}" if parts.query else shown
