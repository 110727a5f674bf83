"""The product's Redis sink over a Redis in memory: what agents write, and where a test looks."""

from __future__ import annotations

from typing import cast

from redis.asyncio import Redis

from schemas.outputs import (
    RecommendationList,
    SimilarTracks,
    TrendingTracks,
    TrendWindow,
    decode_list,
    decode_similar,
    decode_trending,
)
from schemas.rediskeys import artist_key, discover_key, next_key, similar_key, trend_key
from segue.config import Settings
from segue.telemetry.health import Health
from segue.testing.memory_redis import MemoryRedis
from streams.sinks.redis import RedisSink

__all__ = ["MemorySink"]


class MemorySink(RedisSink):
    """Writes, reads, verifies, announces and takes by the code of `RedisSink`.

    So versions, retries and rewriting are those of the product. `redis` may be shared by several
    sinks, as workers share a server.
    """

    def __init__(
        self, settings: Settings, health: Health, redis: MemoryRedis | None = None
    ) -> None:
        self.redis = redis or MemoryRedis()
        # The double has the commands the sink uses, and no others.
        super().__init__(cast(Redis, self.redis), settings=settings, health=health)

    def next(self, user_id: str) -> RecommendationList | None:
        """Return a listener's `next` list."""
        raw = self.redis.data.get(next_key(user_id))
        return None if raw is None else decode_list(raw)

    def discover(self, user_id: str) -> RecommendationList | None:
        """Return a listener's `discover` list."""
        raw = self.redis.data.get(discover_key(user_id))
        return None if raw is None else decode_list(raw)

    def similar(self, track_id: str) -> SimilarTracks | None:
        """Return the tracks similar to a track."""
        raw = self.redis.data.get(similar_key(track_id))
        return None if raw is None else decode_similar(raw)

    def artist(self, name: str) -> SimilarTracks | None:
        """Return an artist's tracks; `name` as `artist_name` gives it."""
        raw = self.redis.data.get(artist_key(name))
        return None if raw is None else decode_similar(raw)

    def trends(self, market: str, window: TrendWindow) -> TrendingTracks | None:
        """Return what trends in a market."""
        raw = self.redis.data.get(trend_key(market, window))
        return None if raw is None else decode_trending(raw)
