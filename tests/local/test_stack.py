"""The whole stack as `segue up` runs it, on real Kafka and Redis, with a small program as worker.

The program stands for our command line: it answers the health pages and writes down, when told to
end, what still ran at that moment.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from segue.cli.down import down
from segue.cli.status import status
from segue.config import Settings, load_settings
from segue.errors import SegueError, Unavailable
from segue.local import pidfile
from segue.local.ports import free_port
from segue.local.redis_node import RedisNode
from segue.local.rundir import RunDirectory
from segue.local.stack import LocalStack, external_kafka, external_redis
from segue.local.state import StackState
from segue.local.supervisor import Backoff

STANDIN = """
import http.server, json, os, pathlib, signal, socket, sys, urllib.parse

folder = pathlib.Path(os.environ["SEGUE_DATA_DIR"])
if sys.argv[1:] == ["topics", "apply"]:
    if (folder / "topics-fail").exists():
        sys.exit("segue: topic plays has 3 partitions, not 4")
    (folder / "topics-applied").write_text(os.environ["SEGUE_KAFKA_BOOTSTRAP"])
    sys.exit(0)
assert sys.argv[1:] == ["worker", "recommend"] and (folder / "topics-applied").exists()

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"waiting_for": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False

def drain(*_):
    kafka = int(os.environ["SEGUE_KAFKA_BOOTSTRAP"].rsplit(":", 1)[1])
    redis = urllib.parse.urlsplit(os.environ["SEGUE_REDIS_URL"]).port
    (folder / "drained").write_text(f"kafka {answers(kafka)} redis {answers(redis)}")
    sys.exit(0)

signal.signal(signal.SIGTERM, drain)
port = int(os.environ["SEGUE_WEB_PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Health).serve_forever()
"""

SUPERVISOR = """
import asyncio, contextlib, pathlib, sys
from segue.cli.up import run_stack
from segue.config import load_settings
settings = load_settings(
    data_dir=pathlib.Path(sys.argv[1]), local_kafka_port=0, local_redis_port=0, web_port=0
)
with contextlib.suppress(asyncio.CancelledError):
    asyncio.run(run_stack(settings, workers=2, command=[sys.executable, sys.argv[2]]))
"""


@pytest.fixture
def standin(tmp_path: Path) -> Path:
    path = tmp_path / "standin.py"
    path.write_text(STANDIN)
    return path


@pytest.fixture
def supervised(tmp_path: Path, standin: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor in a process of its own, over an empty data folder."""
    argv = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "data"), str(standin)]
    with (tmp_path / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
    yield process
    process.kill()
    process.wait()


def settings_for(tmp_path: Path, **changes: Any) -> Settings:  # any type of any setting
    given: dict[str, Any] = {"local_kafka_port": 0, "local_redis_port": 0, "web_port": 0, **changes}
    return load_settings(data_dir=tmp_path / "data", **given)


def wait_state(
    run_dir: RunDirectory, condition: Callable[[StackState], bool], log: Path, timeout_s: float = 60
) -> StackState:
    deadline_s = time.monotonic() + timeout_s
    while not condition(state := run_dir.read_state()):
        assert time.monotonic() < deadline_s, f"{state}\n{log.read_text()}"
        time.sleep(0.05)
    return state


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_supervisor_restarts_reports_and_drains_in_order(
    tmp_path: Path, supervised: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, log = tmp_path / "data", tmp_path / "supervisor.log"
    run_dir = RunDirectory(data)
    state = wait_state(run_dir, lambda state: state.ready, log)
    assert [row.name for row in state.services[2:]] == ["recommend-1", "recommend-2"]
    assert {row.kind for row in state.services[:2]} == {"kafka", "redis"}
    assert len({row.port for row in state.services}) == 4
    assert state.supervisor_pid == supervised.pid
    endpoints = run_dir.read_endpoints()
    assert endpoints is not None
    assert (data / "topics-applied").read_text() == endpoints.kafka_bootstrap

    monkeypatch.setenv("SEGUE_DATA_DIR", str(data))
    shown = CliRunner().invoke(status, ["--json"])
    assert shown.exit_code == 0
    assert '"ready": true' in shown.output
    refused = pytest.raises(SegueError, match=f"runs already, supervised by pid {supervised.pid}")
    with refused, RunDirectory(data).owned():
        raise AssertionError("two supervisors")

    for row in state.services[1:3]:  # one server and one worker
        assert row.pid is not None
        os.kill(row.pid, signal.SIGKILL)
    wait_state(
        run_dir, lambda now: sum(row.restarts for row in now.services) == 2 and now.ready, log
    )
    pids = [row.pid for row in run_dir.read_state().services if row.pid is not None]
    assert len(pids) == 4

    assert CliRunner().invoke(down).output == "stopped\n"
    assert supervised.wait(5) == 0
    assert (data / "drained").read_text() == "kafka True redis True"
    assert [pidfile.started_at(pid) for pid in pids] == [None] * 4
    assert CliRunner().invoke(down).output == "nothing runs\n"
    shown = CliRunner().invoke(status)
    assert (shown.exit_code, shown.output) == (1, "nothing runs; `segue up` starts it\n")


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ties children on Linux only")
def test_killed_supervisor_leaves_no_orphans(
    tmp_path: Path, supervised: subprocess.Popen[bytes]
) -> None:
    run_dir = RunDirectory(tmp_path / "data")
    state = wait_state(run_dir, lambda state: state.ready, tmp_path / "supervisor.log")
    pids = [row.pid for row in state.services]
    assert len(pids) == 4
    supervised.kill()
    deadline_s = time.monotonic() + 5
    while any(pid is not None and pidfile.started_at(pid) is not None for pid in pids):
        assert time.monotonic() < deadline_s, "a child outlived the supervisor"
        time.sleep(0.01)
    assert run_dir.read_state() == StackState(None, "down")
    supervised.wait(5)  # its files are closed by then, the lock with them
    with run_dir.owned():
        assert run_dir.supervisor_pid() == os.getpid()


async def test_failed_topics_stop_the_start_with_their_own_words(
    tmp_path: Path, standin: Path
) -> None:
    async with RedisNode(tmp_path / "redis") as redis:
        settings = settings_for(tmp_path, redis_url=redis.url)
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "topics-fail").touch()
        stack = LocalStack(settings, command=[sys.executable, str(standin)])
        stack.kafka = None  # none is needed to see it fail
        stack._start_kafka = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
        with pytest.raises(SegueError, match="ended with 1: segue: topic plays has 3 partitions"):
            await stack.start()
    assert stack.stage == "down"
    assert stack.run_dir.supervisor_pid() is None


async def test_outside_kafka_that_does_not_answer_stops_the_start(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka_bootstrap=f"127.0.0.1:{free_port()}")
    stack = LocalStack(settings)
    assert stack.kafka is None
    with pytest.raises(Unavailable, match="does not answer") as caught:
        await stack.start()
    assert "SEGUE_KAFKA_BOOTSTRAP" in caught.value.remedy
    assert [row.pid for row in stack.supervisor.rows()] in ([None], [])


def test_only_a_named_address_elsewhere_is_external(tmp_path: Path) -> None:
    ports: dict[str, Any] = {"local_kafka_port": 19_092, "local_redis_port": 16_379}
    assert not external_kafka(settings_for(tmp_path))
    assert not external_kafka(settings_for(tmp_path, kafka_bootstrap="127.0.0.1:19092", **ports))
    assert external_kafka(settings_for(tmp_path, kafka_bootstrap="kafka.example:9092"))
    assert not external_redis(settings_for(tmp_path))
    own = "redis://127.0.0.1:16379/0"
    assert not external_redis(settings_for(tmp_path, redis_url=own, **ports))
    assert external_redis(settings_for(tmp_path, redis_url="rediss://redis.example/0"))


def test_backoff_is_bounded() -> None:
    assert Backoff().pause_s(100) == 30.0
