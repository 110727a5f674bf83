"""`segue config show`, and what a person sees whose setting is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import segue.cli
from segue.cli.config import config
from segue.config import Settings


def test_show_names_value_and_source_of_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_PARTITIONS", "12")
    Path(".env").write_text("SEGUE_ROLE=recommend\n")
    lines = CliRunner().invoke(config, ["show"]).stdout.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("  ")}
    assert list(rows) == [f"SEGUE_{name.upper()}" for name in Settings.model_fields]
    assert rows["SEGUE_PARTITIONS"] == ["12", "env"]
    assert rows["SEGUE_ROLE"] == ["recommend", ".env"]
    assert rows["SEGUE_LIST_LENGTH"] == ["20", "default"]


def test_show_as_json_keeps_types_and_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_REDIS_URL", "redis://:opensesame@h:1/0")
    shown = json.loads(CliRunner().invoke(config, ["show", "--json"]).stdout)
    assert shown["SEGUE_PARTITIONS"] == {"value": 4, "source": "default"}
    assert shown["SEGUE_REDIS_URL"] == {"value": "redis://***@h:1/0", "source": "env"}
    assert shown["SEGUE_KAFKA_SASL_PASSWORD"] == {"value": None, "source": "default"}
    assert shown["SEGUE_DATA_DIR"] == {"value": ".segue", "source": "default"}


def test_show_changed_leaves_the_defaults_out(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    assert runner.invoke(config, ["show", "--changed"]).stdout == (
        "every setting is at its default\n"
    )
    monkeypatch.setenv("SEGUE_LIST_LENGTH", "5")
    assert runner.invoke(config, ["show", "--changed"]).stdout.split() == [
        *("SEGUE_LIST_LENGTH", "5", "env")
    ]


WRONG = [
    ({"SEGUE_PARTITIONS": "many"}, "SEGUE_PARTITIONS", "it is 'many'"),
    ({"SEGUE_PARTITIONS": "0"}, "SEGUE_PARTITIONS", "greater than or equal to 1"),
    ({"SEGUE_KAFKA_BOOTSTRAP": "nowhere"}, "SEGUE_KAFKA_BOOTSTRAP", "must be host:port"),
    ({"SEGUE_REDIS_URL": "http://:opensesame@h"}, "SEGUE_REDIS_URL", "must be redis://"),
    ({"SEGUE_HEARTBEAT_INTERVAL_S": "9"}, "SEGUE_HEARTBEAT_INTERVAL_S", "SEGUE_SESSION_TIMEOUT_S"),
    ({"SEGUE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "SEGUE_KAFKA_SASL_MECHANISM", "is needed by"),
    ({"SEGUE_ROLE": "cook"}, "SEGUE_ROLE", "'recommend'"),
    ({"SEGUE_LOG_FORMAT": "xml"}, "SEGUE_LOG_FORMAT", "'json' or 'console'"),
]
COMMANDS = ["config show", "status", "down", "topics plan", "worker recommend --web-port 0", "up"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("given", "setting", "why"), WRONG)
def test_wrong_setting_gives_one_clear_sentence_and_exit_code_2(
    command: str,
    given: dict[str, str],
    setting: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    arguments = command.split()
    if arguments[0] == "worker" and setting == "SEGUE_ROLE":
        arguments = ["config", "show"]  # a worker's role is its argument
    monkeypatch.setattr(sys, "argv", ["segue", *arguments])
    with pytest.raises(SystemExit) as ended:
        segue.cli.main()
    captured = capsys.readouterr()
    sentence, *remedy = captured.err.splitlines()
    assert ended.value.code == 2
    assert sentence.startswith(f"segue: {setting}")
    assert why in sentence
    assert len(remedy) == 1
    assert captured.out == ""
    assert "opensesame" not in captured.err


def test_wrong_setting_ends_the_real_program_without_a_traceback(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "segue.cli", "config", "show"],
        env={"SEGUE_WEB_PORT": "http", "PYTHONPATH": str(Path(segue.cli.__file__).parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.splitlines() == [
        "segue: SEGUE_WEB_PORT: input should be a valid integer, unable to parse string as an "
        "integer (it is 'http')",
        "       SEGUE_WEB_PORT: Port for /metrics and /health; 0 takes a free one. Default: 6066",
    ]
