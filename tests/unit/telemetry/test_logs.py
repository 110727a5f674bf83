"""One event is one line of JSON on stderr, whoever logs it."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.config import Settings
from segue.telemetry.logs import RateLimit, configure_logging, get_logger
from segue.testing import ManualClock, fresh_settings

log = get_logger("segue.test")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def settings(**given: Any) -> Settings:  # any type that a setting has
    return fresh_settings(**{"log_format": "json", "log_level": "info", **given})


def test_event_and_fields_are_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    log.info("partitions_assigned", generation=3, topics=["a", "b"])
    (line,) = lines(capsys)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "segue.test",
        "event": "partitions_assigned",
        "generation": 3,
        "topics": ["a", "b"],
    }


def test_library_logs_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    logging.getLogger("faust.transport").warning("lost %s of %d", "one", 3)
    (line,) = lines(capsys)
    assert (line["level"], line["logger"]) == ("warning", "faust.transport")
    assert line["event"] == "lost one of 3"


def test_level_is_the_least_that_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings(log_level="warning"))
    log.info("not_written")
    log.warning("written")
    assert [line["event"] for line in lines(capsys)] == ["written"]


@pytest.mark.parametrize("level", ["debug", "info"])
def test_libraries_do_not_flood_the_log(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings(log_level=level))
    for name in ("aiokafka.consumer.fetcher", "faust", "mode", "asyncio"):
        logging.getLogger(name).debug("a page of it")
    assert lines(capsys) == []


def test_traceback_stays_on_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    try:
        raise ValueError("no good")
    except ValueError:
        log.exception("worker_failed", role="recommend")
    (line,) = lines(capsys)
    assert "ValueError: no good" in line["exception"]
    assert line["role"] == "recommend"


def test_log_format_for_people_shows_no_local_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(settings(log_format="console"))
    try:
        password = "open" + "sesame"
        raise ValueError(len(password))
    except ValueError:
        log.exception("worker_failed")
    text = capsys.readouterr().err
    assert "worker_failed" in text
    assert "ValueError: 10" in text
    assert "opensesame" not in text


@pytest.mark.parametrize("value", [b"\xff", "\ud800", 1 << 70, {1: 2}, object(), float("nan")])
def test_no_value_makes_a_log_line_raise(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    log.info("value_seen", value=value, **{"ключ": 1})
    (line,) = lines(capsys)
    assert line["event"] == "value_seen"


def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    configure_logging(settings())
    log.info("thing_done")
    assert len(lines(capsys)) == 1


def test_errors_of_an_absent_broker_are_one_line_a_second_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = ManualClock()
    configure_logging(settings(), clock=clock)
    conn, client = logging.getLogger("aiokafka.conn"), logging.getLogger("aiokafka")
    for _ in range(150):  # three seconds at fifty a second
        conn.error("no connection")
        client.error("no node")
        clock.advance(ms=20)
    conn.error("no connection")
    log.error("ours_is_not_limited")
    log.error("ours_is_not_limited")
    written = lines(capsys)
    of_conn = [line for line in written if line["logger"] == "aiokafka.conn"]
    assert [line.get("suppressed") for line in of_conn] == [None, 49, 49, 49]
    of_client = [line for line in written if line["logger"] == "aiokafka"]
    assert [line.get("suppressed") for line in of_client] == [None, 49, 49]
    assert sum(line["event"] == "ours_is_not_limited" for line in written) == 2


def test_lines_and_suppressed_counts_add_up_to_what_was_logged() -> None:
    clock = ManualClock()
    limit = RateLimit(clock)
    total = 0
    for step in range(1000):
        record = logging.makeLogRecord({"name": "aiokafka.x", "levelno": logging.ERROR})
        if limit.filter(record):
            total += 1 + getattr(record, "suppressed", 0)
        clock.advance(ms=7 + step % 5)
    clock.advance(s=2)
    last = logging.makeLogRecord({"name": "aiokafka.x", "levelno": logging.ERROR})
    assert limit.filter(last)
    assert total + 1 + getattr(last, "suppressed", 0) == 1001


def test_logger_before_set_up_writes_nothing_to_stdout(tmp_path: Path) -> None:
    program = (
        "from segue.telemetry.logs import get_logger\n"
        "log = get_logger('x')\n"
        "log.info('thing_done')\n"
        "log.warning('thing_failed')\n"
        "print('{}')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout == "{}\n"
    assert "thing_failed" in run.stderr
    assert "thing_done" not in run.stderr
