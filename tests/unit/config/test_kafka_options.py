"""No client ever speaks plaintext where the settings say TLS, or sends a password in the open."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from segue.config import load_settings
from segue.errors import Misconfigured

SASL: dict[str, Any] = {
    "kafka_sasl_mechanism": "SCRAM-SHA-512",
    "kafka_sasl_username": "segue",
    "kafka_sasl_password": SecretStr("opensesame"),
}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem and key.pem for the name localhost, which sign themselves."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate to test with")
    folder = tmp_path_factory.mktemp("pem")
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", *request.split(), *names, *files], check=True, capture_output=True, timeout=60
    )
    return folder


@pytest.mark.parametrize(
    "given", [{"kafka_security_protocol": "SSL"}, {"kafka_security_protocol": "SASL_SSL", **SASL}]
)
def test_tls_always_comes_with_an_explicit_context_that_verifies(given: dict[str, Any]) -> None:
    context = load_settings(**given).kafka_client_options()["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_sasl_gives_mechanism_user_and_password() -> None:
    settings = load_settings(kafka_security_protocol="SASL_SSL", **SASL)
    options = settings.kafka_client_options()
    del options["ssl_context"]
    assert options == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "segue",
        "sasl_plain_password": "opensesame",
    }


async def test_every_aiokafka_client_takes_the_options() -> None:
    options = load_settings(kafka_security_protocol="SASL_SSL", **SASL).kafka_client_options()
    await AIOKafkaProducer(**options).stop()
    await AIOKafkaConsumer(**options).stop()
    await AIOKafkaAdminClient(**options).close()


@pytest.mark.parametrize(
    "server", ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "127.1.2.3:1"]
)
def test_sasl_without_tls_is_allowed_on_loopback(server: str) -> None:
    settings = load_settings(
        kafka_bootstrap=server, kafka_security_protocol="SASL_PLAINTEXT", **SASL
    )
    assert "ssl_context" not in settings.kafka_client_options()


@pytest.mark.parametrize(
    "servers",
    ["kafka:9092", "127.0.0.1:9092,kafka:9092", "127.0.0.1.example:9092", "localhost.x:1"],
)
def test_sasl_without_tls_is_refused_elsewhere(servers: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(kafka_bootstrap=servers, kafka_security_protocol="SASL_PLAINTEXT", **SASL)
    assert caught.value.setting == "SEGUE_KAFKA_SECURITY_PROTOCOL"
    assert "SASL_SSL" in caught.value.remedy
    assert "SEGUE_KAFKA_PLAINTEXT_ALLOWED" in caught.value.remedy


def test_sasl_without_tls_needs_the_dangerous_setting_elsewhere() -> None:
    settings = load_settings(
        kafka_bootstrap="kafka:9092",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_plaintext_allowed=True,
        **SASL,
    )
    assert settings.kafka_client_options()["security_protocol"] == "SASL_PLAINTEXT"


def test_authority_and_own_certificate_are_used(pem: Path) -> None:
    settings = load_settings(
        kafka_security_protocol="SSL",
        kafka_ssl_cafile=pem / "cert.pem",
        kafka_ssl_certfile=pem / "cert.pem",
        kafka_ssl_keyfile=pem / "key.pem",
    )
    context = settings.kafka_client_options()["ssl_context"]
    assert [authority["subject"] for authority in context.get_ca_certs()] == [
        ((("commonName", "localhost"),),)
    ]


@pytest.mark.parametrize("name", ["kafka_ssl_cafile", "kafka_ssl_certfile"])
def test_file_that_is_no_pem_is_named(name: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("not a certificate")
    settings = load_settings(kafka_security_protocol="SSL", **{name: wrong})
    with pytest.raises(Misconfigured, match=f"SEGUE_{name.upper()} names .*wrong.pem") as caught:
        settings.kafka_client_options()
    assert caught.value.setting == f"SEGUE_{name.upper()}"


def test_encrypted_key_is_refused_and_not_asked_for(pem: Path, tmp_path: Path) -> None:
    key = tmp_path / "encrypted.pem"
    source = ["-in", str(pem / "key.pem"), "-out", str(key)]
    subprocess.run(
        ["openssl", "rsa", *source, "-aes256", "-passout", "pass:x1234"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    settings = load_settings(
        kafka_security_protocol="SSL",
        kafka_ssl_certfile=pem / "cert.pem",
        kafka_ssl_keyfile=key,
    )
    with pytest.raises(Misconfigured, match="SEGUE_KAFKA_SSL_CERTFILE") as caught:
        settings.kafka_client_options()
    assert "unencrypted" in caught.value.remedy


async def _handshake(pem: Path, **given: Any) -> None:  # any type that a setting has
    """Connect to a TLS server on the loopback with the context that clients get."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem / "cert.pem", pem / "key.pem")

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    options = load_settings(kafka_security_protocol="SSL", **given).kafka_client_options()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=options["ssl_context"], server_hostname="localhost"
        )
        writer.close()
        await writer.wait_closed()


async def test_broker_signed_by_a_trusted_authority_is_spoken_to(pem: Path) -> None:
    await _handshake(pem, kafka_ssl_cafile=pem / "cert.pem")


async def test_broker_signed_by_nobody_known_is_refused(pem: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await _handshake(pem)
