"""The snippets in the README are the files of docs/examples, and those run as they are."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from segue.local.stack import LocalStack
from segue.testing import fresh_settings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
RUN_TIMEOUT_S = 60.0

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.mark.parametrize(
    "example", ["produce_and_read.py", "typescript/produce_and_read.ts", "read.sh"]
)
def test_readme_shows_the_example_as_it_is(example: str) -> None:
    assert (EXAMPLES / example).read_text().strip() in (ROOT / "README.md").read_text()


def test_the_page_of_audio_neighbours_shows_its_example_as_it_is() -> None:
    page = (ROOT / "docs" / "how-to" / "your-audio-neighbours.md").read_text()
    assert (EXAMPLES / "audio_neighbours.py").read_text().strip() in page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def environment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """A running stack, and the environment that points programs to it."""
    settings = fresh_settings(data_dir=tmp_path_factory.mktemp("stack"))
    async with LocalStack(settings) as stack:
        await stack.wait_ready(120)
        yield {
            **os.environ,
            "SEGUE_KAFKA_BOOTSTRAP": stack.endpoints.kafka_bootstrap,
            "SEGUE_REDIS_URL": stack.endpoints.redis_url,
            "SEGUE_TOPIC_PREFIX": settings.topic_prefix,
        }


async def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(RUN_TIMEOUT_S):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


@pytest.mark.asyncio(loop_scope="module")
async def test_python_example_prints_the_list(environment: dict[str, str]) -> None:
    output = await run([sys.executable, "produce_and_read.py"], environment, EXAMPLES)
    assert output.startswith("next for ada: [")


@pytest.mark.asyncio(loop_scope="module")
async def test_audio_example_prints_what_sounds_alike(environment: dict[str, str]) -> None:
    output = await run([sys.executable, "audio_neighbours.py"], environment, EXAMPLES)
    expected = ["piano-2: sounds like piano-1", "drums-1: sounds like piano-1"]
    assert [line for line in output.splitlines() if "sounds like" in line] == expected


@pytest.mark.asyncio(loop_scope="module")
async def test_typescript_example_prints_the_list(
    environment: dict[str, str], tmp_path: Path
) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path / "typescript"
    shutil.copytree(EXAMPLES / "typescript", folder)
    await run([npm, "ci", "--silent", "--no-audit", "--no-fund"], environment, folder)
    output = await run([npm, "start", "--silent"], environment, folder)
    assert output.startswith("next for grace: [")


@pytest.mark.asyncio(loop_scope="module")
async def test_shell_example_reads_the_list(environment: dict[str, str]) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not installed")
    await run([sys.executable, "produce_and_read.py"], environment, EXAMPLES)
    output = await run(["bash", "read.sh", "ada"], environment, EXAMPLES)
    assert '"kind":"next"' in output
