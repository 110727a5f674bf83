"""Reads listeners' lists, similar tracks and trends from Redis, as a front-end does."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.outputs import (
    WORLD,
    RecommendationList,
    SimilarTracks,
    TrendingTracks,
    TrendWindow,
    decode_list,
    decode_similar,
    decode_trending,
)
from schemas.rediskeys import discover_key, next_key, similar_key, trend_key
from segue.errors import Unavailable

__all__ = ["ListReader"]

_TIMEOUT_S: Final = 5.0


class ListReader:
    """One GET per question; None means that Segue has nothing (yet). An async context manager.

    Methods raise Unavailable if Redis does not answer within `timeout_s`, and ValueError if a value
    is of a contract newer than this client.
    """

    def __init__(self, redis_url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._redis.aclose()

    async def next(self, user_id: str) -> RecommendationList | None:
        """What the listener should hear next; tracks they know may be in it."""
        raw = await self._get(next_key(user_id))
        return None if raw is None else decode_list(raw)

    async def discover(self, user_id: str) -> RecommendationList | None:
        """What the listener has not heard lately."""
        raw = await self._get(discover_key(user_id))
        return None if raw is None else decode_list(raw)

    async def similar(self, track_id: str) -> SimilarTracks | None:
        """What is played together with a track."""
        raw = await self._get(similar_key(track_id))
        return None if raw is None else decode_similar(raw)

    async def trends(
        self, market: str = WORLD, *, window: TrendWindow = "hour"
    ) -> TrendingTracks | None:
        """What is played most in a market now, and how it moves (`movement` says it in short)."""
        raw = await self._get(trend_key(market, window))
        return None if raw is None else decode_trending(raw)

    async def _get(self, key: str) -> bytes | None:
        try:
            raw = await self._redis.get(key)
        except RedisError as error:
            raise Unavailable(f"Redis did not answer: {error!r}", what="redis") from error
        assert not isinstance(raw, str), "the connection does not decode"
        return raw
