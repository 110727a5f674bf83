"""Every setting is documented, and read by something."""

import re
from pathlib import Path

import pytest

from segue.config import SECTIONS, Settings, environment_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "settings.md"
UNITLESS = re.compile(r"_(s|ms|bytes_max)$")


def row(name: str) -> str:
    start = f"| `{environment_name(name)}` "
    (found,) = [line for line in PAGE.read_text().splitlines() if line.startswith(start)]
    return found


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_has_one_line_of_help_on_the_page(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")
    assert "\n" not in description
    assert len(description) <= 100
    assert description in row(name)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_time_setting_has_its_unit_last(name: str) -> None:
    timed = any(word in name for word in ("timeout", "interval", "ttl", "gap", "lateness", "stall"))
    assert bool(UNITLESS.search(name)) == (
        timed or name in {"message_bytes_max", "redis_retry_max_s"}
    )


def test_dangerous_settings_say_who_may_use_them() -> None:
    dangerous = {
        name: extra["dangerous"]
        for name, field in Settings.model_fields.items()
        if isinstance(extra := field.json_schema_extra, dict) and "dangerous" in extra
    }
    assert dangerous.keys() == {"kafka_plaintext_allowed", "web_host"}
    for name, who in dangerous.items():
        assert str(who).startswith("Only ")
        assert f"**Dangerous.** {who}" in row(name)


def test_sections_begin_at_settings_in_their_order() -> None:
    fields = list(Settings.model_fields)
    positions = [fields.index(first) for first in SECTIONS]
    assert positions[0] == 0
    assert positions == sorted(positions)


def test_every_setting_is_read_by_some_code() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for top in ("streams", "agents", "segue")
        for path in (ROOT / top).rglob("*.py")
        if path.name not in {"settings.py", "checks.py"}
    )
    unread = [name for name in Settings.model_fields if not re.search(rf"ettings\.{name}\b", code)]
    unread.remove("kafka_plaintext_allowed")  # its whole effect is a check
    assert unread == []
