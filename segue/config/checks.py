"""What settings must look like, and what they ask of each other.

A format check raises ValueError: pydantic adds the setting's name. A check over several settings
raises Misconfigured itself, with the remedy.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from segue.config.sources import environment_name
from segue.errors import Misconfigured

if TYPE_CHECKING:
    from segue.config.settings import Settings

__all__ = [
    "check_together",
    "is_loopback",
    "name_prefix",
    "node_count",
    "redis_address",
    "server_list",
]

PREFIX_LENGTH_MAX: Final = 100  # Kafka allows names of 249 in all
_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d{1,3}){3}|\[::1\]")


def server_list(value: str) -> str:
    """Accept `host:port,host:port`; spaces are dropped."""
    servers = [server.strip() for server in value.split(",")]
    for server in servers:
        match = _SERVER.fullmatch(server)
        if match is None or not 0 < int(match[2]) <= 65_535:
            raise ValueError("must be host:port, several with a comma between")
    return ",".join(servers)


def name_prefix(value: str) -> str:
    """Accept what may start a name at Kafka."""
    if len(value) > PREFIX_LENGTH_MAX or not re.fullmatch(r"[A-Za-z0-9._-]*", value):
        raise ValueError(
            f"must be at most {PREFIX_LENGTH_MAX} letters, digits, dots, dashes and underscores"
        )
    return value


def node_count(value: int) -> int:
    """Accept 1 or 3."""
    if value not in (1, 3):
        raise ValueError("must be 1 or 3")
    return value


def redis_address(value: SecretStr) -> SecretStr:
    """Accept redis://, rediss:// and unix:// addresses. The message does not show the address."""
    try:
        parts = urlsplit(value.get_secret_value())
        complete = bool(parts.path if parts.scheme == "unix" else parts.hostname)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:  # a port that is none
        complete = port_ok = False
    if not (complete and port_ok and parts.scheme in ("redis", "rediss", "unix")):
        raise ValueError("must be redis://host:port/number, or rediss:// for TLS")
    return value


def is_loopback(server: str) -> bool:
    """Tell whether `host:port` is this machine's own, by its text alone."""
    return _LOOPBACK.fullmatch(server.rpartition(":")[0]) is not None


def check_together(settings: Settings) -> None:
    """Raise Misconfigured for the first contradiction between settings."""
    _check_sasl(settings)
    _check_tls(settings)
    _check_worker(settings)
    _check_local(settings)


def _check_sasl(settings: Settings) -> None:
    protocol = settings.kafka_security_protocol
    names = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    if protocol.startswith("SASL_"):
        for name in names:
            if not getattr(settings, name):
                raise _wrong(
                    name,
                    f"is needed by SEGUE_KAFKA_SECURITY_PROTOCOL={protocol}",
                    f"set {environment_name(name)}, or the protocol to SSL or PLAINTEXT",
                )
    else:
        for name in names:
            if getattr(settings, name) is not None:
                # Left alone, this would connect without the password, and nobody would see it.
                raise _wrong(
                    name,
                    f"is set, but SEGUE_KAFKA_SECURITY_PROTOCOL={protocol} does not use it",
                    "set the protocol to SASL_SSL, or unset the SASL settings",
                )
    if protocol == "SASL_PLAINTEXT" and not settings.kafka_plaintext_allowed:
        for server in settings.kafka_bootstrap.split(","):
            if not is_loopback(server):
                raise _wrong(
                    "kafka_security_protocol",
                    f"is SASL_PLAINTEXT: it would send the password readable to {server}",
                    "set it to SASL_SSL (or, where the network itself encrypts, set "
                    "SEGUE_KAFKA_PLAINTEXT_ALLOWED=true)",
                )


def _check_tls(settings: Settings) -> None:
    protocol = settings.kafka_security_protocol
    for name in ("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile"):
        path = getattr(settings, name)
        if path is None:
            continue
        if not protocol.endswith("SSL"):
            raise _wrong(
                name,
                f"is set, but SEGUE_KAFKA_SECURITY_PROTOCOL={protocol} does not use it",
                "set the protocol to SSL or SASL_SSL, or unset it",
            )
        if not path.is_file():
            raise _wrong(name, f"names {path}, which is no file", "give the path of a PEM file")
    if settings.kafka_ssl_keyfile and not settings.kafka_ssl_certfile:
        raise _wrong("kafka_ssl_certfile", "is missing for SEGUE_KAFKA_SSL_KEYFILE", "set both")


def _check_worker(settings: Settings) -> None:
    if settings.heartbeat_interval_s >= settings.session_timeout_s:
        raise _wrong(
            "heartbeat_interval_s",
            f"({settings.heartbeat_interval_s:g} s) must be shorter than "
            f"SEGUE_SESSION_TIMEOUT_S ({settings.session_timeout_s:g} s)",
            "set it to a third of the session timeout or less",
        )


def _check_local(settings: Settings) -> None:
    first = settings.local_kafka_port
    kafka = range(first, first + settings.local_kafka_nodes) if first else range(0)
    if kafka and kafka[-1] > 65_535:
        raise _wrong(
            "local_kafka_port",
            f"({first}) leaves no room for {len(kafka)} nodes",
            "set a lower one",
        )
    for name in ("local_redis_port", "web_port"):
        if getattr(settings, name) in kafka:
            raise _wrong(
                name, f"is {getattr(settings, name)}, a port of the local Kafka", "set another"
            )
    if settings.web_port and settings.web_port == settings.local_redis_port:
        raise _wrong("web_port", f"is {settings.web_port}, the local Redis's port", "set another")


def _wrong(name: str, what: str, remedy: str) -> Misconfigured:
    setting = environment_name(name)
    return Misconfigured(f"{setting} {what}", setting=setting, remedy=remedy)
