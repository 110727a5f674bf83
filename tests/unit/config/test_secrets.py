"""A secret is never shown: not in show, not in a repr, not in an error."""

import pytest
from pydantic import SecretStr

from segue.config import Settings, load_settings
from segue.config.secrets import hidden


def test_every_setting_that_can_hold_a_password_is_a_secret() -> None:
    telling = ("password", "_url", "token", "secret")
    named = {name for name in Settings.model_fields if any(word in name for word in telling)}
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert secret == named


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:16379/0", "redis://127.0.0.1:16379/0"),
        ("rediss://user:opensesame@host:1/2", "rediss://***@host:1/2"),
        ("redis://:open@sesame@host:1", "redis://***@host:1"),
        ("redis://host:1/0?password=opensesame", "redis://host:1/0?***"),
        ("unix://opensesame@/run/redis.sock?db=1", "unix://***@/run/redis.sock?***"),
    ],
)
def test_of_an_address_only_the_server_is_shown(url: str, shown: str) -> None:
    assert hidden("redis_url", SecretStr(url)) == shown


def test_no_form_of_the_settings_shows_a_secret() -> None:
    settings = load_settings(
        redis_url="redis://user:opensesame@h:1/0",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="segue",
        kafka_sasl_password="opensesame",
    )
    forms = (repr(settings), str(settings), settings.model_dump_json(), settings.redacted())
    assert [form for form in forms if "opensesame" in str(form)] == []
    assert settings.redacted()["kafka_sasl_password"] == "***"


def test_secret_that_is_not_set_is_shown_as_such() -> None:
    assert load_settings().redacted()["kafka_sasl_password"] is None
