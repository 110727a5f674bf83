"""`segue next|discover|similar|trends` against a real Redis, and rates as people write them."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator

import click
import pytest
from click.testing import CliRunner, Result
from redis.asyncio import Redis

from schemas.outputs import encode_list, encode_trending, format_version
from schemas.rediskeys import next_key, trend_key
from segue.cli.lists import discover, next_, similar, trends
from segue.cli.producing import RATE, limit_of
from segue.testing import redis_server


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    """A Redis with one `next` list and one trend."""
    async with redis_server() as node:
        async with Redis.from_url(node.url) as redis:
            version = format_version(1, 7)
            tracks, sources = ["track:a", "track:b"], ["together", "popular"]
            columns = (tracks, [1.0, 0.5], sources, [0, -1])
            raw = encode_list(
                version, "u 1", kind="next", at_ms=5, session=["track:s"], columns=columns
            )
            await redis.set(next_key("u 1"), raw)
            raw = encode_trending(
                version,
                "SE",
                window="day",
                at_ms=5,
                columns=(["track:c"], [3.0], [0.585], ["rising"]),
            )
            await redis.set(trend_key("SE", "day"), raw)
        yield node.url


def invoke(url: str, command: click.Command, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env={"SEGUE_REDIS_URL": url})


def test_a_list_is_shown_as_a_table(redis_url: str) -> None:
    result = invoke(redis_url, next_, "u 1")
    assert result.exit_code == 0
    for expected in ("next for u 1", "track:a", "track:b", "track:s", "trending"):
        assert expected in result.stdout


def test_a_list_is_printed_as_json(redis_url: str) -> None:
    result = invoke(redis_url, next_, "u 1", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["user_id"], found["kind"]) == (0, "u 1", "next")
    assert found["track_ids"] == ["track:a", "track:b"]


def test_trends_are_those_of_the_named_market_and_window(redis_url: str) -> None:
    found = invoke(redis_url, trends, "--market", "SE", "--window", "day")
    assert "track:c" in found.stdout
    assert "▲ ×1.5" in found.stdout
    assert invoke(redis_url, trends, "--market", "SE").exit_code == 1


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (next_, ["u2"], "segue: there is no list for u2"),
        (discover, ["u 1"], "segue: there is no list for u 1"),
        (similar, ["track:x"], "segue: nothing is similar to track:x yet"),
        (trends, ["--market", "BR"], "segue: no track trends in BR"),
    ],
)
def test_what_is_not_there_is_said_and_the_exit_code_is_1(
    redis_url: str, command: click.Command, arguments: list[str], message: str
) -> None:
    result = invoke(redis_url, command, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(message)


def test_a_rate_is_a_number_or_max() -> None:
    assert limit_of(RATE.convert("250.5", None, None)) == 250.5
    assert RATE.convert("max", None, None) == math.inf
    assert limit_of(math.inf) is None


@pytest.mark.parametrize("value", ["0", "-1", "nan", "fast", ""])
def test_what_is_no_rate_is_refused(value: str) -> None:
    with pytest.raises(click.BadParameter, match=r"not above 0|neither a number nor 'max'"):
        RATE.convert(value, None, None)
