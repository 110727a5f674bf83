"""What settings accept, and in which order they are looked for."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from segue.config import Settings, load_settings
from segue.errors import Bug, Misconfigured


def test_defaults_are_those_of_one_machine() -> None:
    settings = load_settings()
    assert settings.kafka_bootstrap == "127.0.0.1:19092"
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:16379/0"
    assert settings.kafka_client_options() == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "PLAINTEXT",
    }


def test_argument_goes_before_environment_before_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("SEGUE_PARTITIONS=5\nSEGUE_LIST_LENGTH=6\nSEGUE_BAD_WINDOW=7\n")
    monkeypatch.setenv("SEGUE_PARTITIONS", "8")
    monkeypatch.setenv("SEGUE_LIST_LENGTH", "9")
    settings = load_settings(partitions=10)
    assert (settings.partitions, settings.list_length, settings.bad_window) == (10, 9, 7)


def test_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_KAFKA_SASL_PASSWORD", "")
    monkeypatch.setenv("SEGUE_PARTITIONS", "")
    settings = load_settings()
    assert settings.kafka_sasl_password is None
    assert settings.partitions == 4
    assert settings.model_fields_set == set()


def test_settings_given_are_known_so_that_children_can_inherit_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEGUE_PARTITIONS", "4")
    assert load_settings(role="recommend").model_fields_set == {"partitions", "role"}


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.partitions = 7


def test_unknown_argument_is_a_bug() -> None:
    with pytest.raises(Bug, match=r"no such setting: partition$"):
        load_settings(partition=3)


def test_spaces_between_servers_are_dropped() -> None:
    settings = load_settings(kafka_bootstrap="a:1, [::1]:2")
    assert settings.kafka_bootstrap == "a:1,[::1]:2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka_bootstrap", "broker"),
        ("kafka_bootstrap", "broker:0"),
        ("kafka_bootstrap", "broker:65536"),
        ("kafka_bootstrap", "a:1,,b:2"),
        ("kafka_bootstrap", "kafka://a:1"),
        ("kafka_security_protocol", "TLS"),
        ("kafka_sasl_mechanism", "GSSAPI"),
        ("redis_url", "localhost:6379"),
        ("redis_url", "http://localhost:6379"),
        ("redis_url", "redis://"),
        ("redis_url", "redis://host:many"),
        ("topic_prefix", "segue/"),
        ("topic_prefix", "s" * 101),
        ("group_prefix", "segue group "),
        ("partitions", 0),
        ("partitions", "many"),
        ("replication_factor", 0),
        ("role", "cook"),
        ("session_timeout_s", 0),
        ("flush_interval_s", "nan"),
        ("flush_interval_s", "inf"),
        ("web_host", ""),
        ("web_port", 65_536),
        ("web_port", -1),
        ("bad_share_max", 0),
        ("bad_share_max", 1.01),
        ("dedupe_window", 0),
        ("arms", "default"),
        ("arms", "default=90"),
        ("arms", "default=50,default=50"),
        ("arms", "default=100,popular=0"),
        ("arms", "default=99.999,popular=0.001"),
        ("arms", "default=nan"),
        ("arms", ",".join(f"arm{i}=10" for i in range(10))),
        ("local_kafka_nodes", 2),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ],
)
def test_wrong_value_is_refused_by_its_variable_with_a_remedy(name: str, value: Any) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(**{name: value})
    variable = f"SEGUE_{name.upper()}"
    assert caught.value.setting == variable
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)
    assert "Default:" in caught.value.remedy


def test_several_wrong_values_are_counted() -> None:
    with pytest.raises(Misconfigured, match=r"SEGUE_PARTITIONS: .*; 1 more is wrong$"):
        load_settings(partitions=0, list_length=0)


def test_long_wrong_value_is_cut() -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(partitions="9" * 5000)
    assert len(str(caught.value)) < 250


def test_error_has_no_cause_that_holds_values() -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(redis_url="http://user:opensesame@host", partitions=0)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "opensesame" not in f"{caught.value} {caught.value.remedy}"


CONTRADICTIONS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"heartbeat_interval_s": 6, "session_timeout_s": 6},
        "SEGUE_HEARTBEAT_INTERVAL_S",
        "a third of the session timeout",
    ),
    ({"local_kafka_port": 16379}, "SEGUE_LOCAL_REDIS_PORT", "another"),
    ({"local_kafka_port": 6065, "local_kafka_nodes": 3}, "SEGUE_WEB_PORT", "another"),
    ({"local_redis_port": 6066}, "SEGUE_WEB_PORT", "another"),
    ({"local_kafka_port": 65_534, "local_kafka_nodes": 3}, "SEGUE_LOCAL_KAFKA_PORT", "lower"),
    ({"kafka_sasl_username": "u"}, "SEGUE_KAFKA_SASL_USERNAME", "SASL_SSL"),
    ({"kafka_ssl_cafile": "ca.pem"}, "SEGUE_KAFKA_SSL_CAFILE", "SASL_SSL"),
    (
        {"kafka_security_protocol": "SSL", "kafka_ssl_cafile": "nowhere.pem"},
        "SEGUE_KAFKA_SSL_CAFILE",
        "PEM file",
    ),
    (
        {"kafka_security_protocol": "SASL_SSL"},
        "SEGUE_KAFKA_SASL_MECHANISM",
        "SEGUE_KAFKA_SASL_MECHANISM",
    ),
    (
        {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "PLAIN"},
        "SEGUE_KAFKA_SASL_USERNAME",
        "SEGUE_KAFKA_SASL_USERNAME",
    ),
    (
        {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_sasl_username": "u",
        },
        "SEGUE_KAFKA_SASL_PASSWORD",
        "SEGUE_KAFKA_SASL_PASSWORD",
    ),
    (
        {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_sasl_username": "u",
            "kafka_sasl_password": "",
        },
        "SEGUE_KAFKA_SASL_PASSWORD",
        "SEGUE_KAFKA_SASL_PASSWORD",
    ),
]


@pytest.mark.parametrize(("given", "setting", "remedy"), CONTRADICTIONS)
def test_contradiction_names_the_setting_and_the_remedy(
    given: dict[str, Any], setting: str, remedy: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(**given)
    assert caught.value.setting == setting
    assert str(caught.value).startswith(f"{setting} ")
    assert remedy in caught.value.remedy


def test_free_ports_contradict_nothing() -> None:
    settings = load_settings(local_kafka_port=0, local_redis_port=0, web_port=0)
    assert settings.web_port == 0


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:1/2", "unix:///run/redis.sock"])
def test_redis_addresses_that_clients_know_are_accepted(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == SecretStr(url)


def test_each_default_would_be_accepted_as_text() -> None:
    defaults = Settings.model_construct()
    for name in Settings.model_fields:
        value = getattr(defaults, name)
        if value is None:
            continue
        text: Any = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        assert getattr(load_settings(**{name: text}), name) == value, name
