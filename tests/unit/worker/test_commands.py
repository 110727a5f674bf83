"""`segue worker`, `segue topics` and `segue dlq`: wrong calls end in one sentence and a code."""

import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from segue.cli import segue

NOBODY = "127.0.0.1:1"  # reserved: nothing listens there


def call(*arguments: str, answer: str | None = None) -> Result:
    environment = {"SEGUE_KAFKA_BOOTSTRAP": NOBODY, "SEGUE_REDIS_URL": f"redis://{NOBODY}/0"}
    return CliRunner().invoke(segue, arguments, env=environment, input=answer)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["worker", "protect"], "'protect' is not 'recommend'"),
        (["worker", "--web-port", "many"], "'many' is not a valid integer"),
        (["topics", "delete"], "No such command 'delete'"),
        (["dlq", "ls", "--limit", "few"], "'few' is not a valid integer"),
        (["dlq", "show"], "Missing argument 'LETTER_ID'"),
        (["dlq", "requeue"], "name dead letters, or say --all"),
        (["dlq", "requeue", "0:1", "--all"], "name dead letters, or say --all"),
        (["dlq", "accept", "segue.plays.v1"], "Missing argument 'PARTITION'"),
        (["dlq", "accept", "segue.plays.v1", "first"], "'first' is not a valid integer"),
    ],
    ids=" ".join,
)
def test_wrong_call_says_what_is_wrong_and_ends_with_2(arguments: list[str], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("verb", ["worker", "topics", "dlq"])
def test_help_names_the_verb(verb: str) -> None:
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: segue {verb}")


def test_help_needs_neither_faust_nor_numba() -> None:
    script = (
        "import sys; from click.testing import CliRunner; from segue.cli import segue\n"
        "assert CliRunner().invoke(segue, ['worker', '--help']).exit_code == 0\n"
        "print(sorted({'faust', 'numba', 'redis'} & {*sys.modules}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")


def test_purge_asks_first_and_no_is_no() -> None:
    result = call("dlq", "purge", answer="n\n")
    assert result.exit_code == 1
    assert "Delete all dead letters for ever?" in result.output


@pytest.mark.parametrize("arguments", [["topics", "plan"], ["topics", "apply"], ["worker"]])
def test_without_kafka_one_line_says_so_and_what_to_do(arguments: list[str]) -> None:
    environment = {"SEGUE_KAFKA_BOOTSTRAP": NOBODY, "SEGUE_REDIS_URL": f"redis://{NOBODY}/0"}
    ended = subprocess.run(
        [sys.executable, "-m", "segue.cli", *arguments],
        check=False, capture_output=True, text=True, timeout=100, env=environment,
    )  # fmt: skip
    last = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 1
    assert last[-2].startswith(f"segue: no Kafka at {NOBODY}")
    assert "SEGUE_KAFKA_BOOTSTRAP" in last[-1]
    assert "Traceback" not in ended.stderr


def test_wrong_setting_is_named_with_exit_code_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "segue.cli", "worker", "--web-port", "-5"],
        check=False, capture_output=True, text=True, timeout=60, env={},
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("segue: SEGUE_WEB_PORT: ")
