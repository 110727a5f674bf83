"""What every client of Kafka is opened with: servers, encryption, user and password.

An ssl_context is always given explicitly for the protocols that encrypt: Faust and aiokafka,
given credentials without one, silently speak plaintext.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from segue.config.sources import environment_name
from segue.errors import Misconfigured

if TYPE_CHECKING:
    from segue.config.settings import Settings

__all__ = ["kafka_client_options"]


def kafka_client_options(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments that all aiokafka clients share.

    Reads the TLS files, so it may raise Misconfigured naming the one that cannot be used. Never
    log the result: it holds the password.
    """
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": protocol,
    }
    if protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if protocol.startswith("SASL_"):
        password = settings.kafka_sasl_password
        assert password is not None, "checked when the settings were read"
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = password.get_secret_value()
    return options


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return a context that verifies the broker's certificate and host name, TLS 1.2 or later."""
    cafile, certfile = settings.kafka_ssl_cafile, settings.kafka_ssl_certfile
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise _unusable("kafka_ssl_cafile", cafile, error, "a PEM file of certificates") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certfile is not None:
        keyfile = settings.kafka_ssl_keyfile
        try:
            # An encrypted key would ask at the terminal, where no worker has one.
            context.load_cert_chain(certfile, keyfile, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            expected = "a PEM certificate, with its unencrypted key in SEGUE_KAFKA_SSL_KEYFILE"
            raise _unusable("kafka_ssl_certfile", certfile, error, expected) from error
    return context


def _no_password() -> str:
    return ""


def _unusable(name: str, path: object, error: Exception, expected: str) -> Misconfigured:
    setting = environment_name(name)
    said = getattr(error, "strerror", None) or str(error)
    return Misconfigured(
        f"{setting} names {path}, which cannot be used: {said}",
        setting=setting,
        remedy=f"it must be {expected}",
    )
