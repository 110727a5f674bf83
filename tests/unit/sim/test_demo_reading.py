"""The demo reads metrics and lists as strangers do: from a page, and from a real Redis."""

from __future__ import annotations

import asyncio
import http.server
import io
import math
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from redis.asyncio import Redis
from rich.console import Console

from schemas.events import PlayEvent
from schemas.outputs import ListKind, encode_list, encode_trending, format_version
from schemas.rediskeys import discover_key, next_key, trend_key
from segue.client import ListReader
from segue.clock import SystemClock
from segue.demo.follow import SILENT_MAX_S, Follower, WatchedSink
from segue.demo.observer import Observer, Plan, fraud_between, quality_between
from segue.demo.scrape import Latency, MetricsReader, Sample, quantile_s
from segue.demo.show import Outcome, run_show, wait_for_list
from segue.telemetry import metrics
from segue.testing import ManualClock, redis_server


class Worker:
    """Metrics by the names and labels of a worker's, on a page of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            metrics.metric_name(metrics.EVENTS), "d", ("agent", "outcome"), registry=self.registry
        )
        self.latency = Histogram(
            metrics.metric_name(metrics.PLAY_TO_LIST),
            "d",
            ("since",),
            buckets=(0.01, 0.02, 0.05),
            registry=self.registry,
        )
        self.lag = Gauge(metrics.metric_name(metrics.LAG), "d", ("topic",), registry=self.registry)
        self.hits = Counter(
            metrics.metric_name(metrics.HITS),
            "d",
            ("arm", "list", "cohort", "k"),
            registry=self.registry,
        )
        self.trials = Counter(
            metrics.metric_name(metrics.TRIALS),
            "d",
            ("arm", "list", "cohort"),
            registry=self.registry,
        )
        self.held = Counter(
            metrics.metric_name(metrics.HELD), "d", ("reason",), registry=self.registry
        )
        self.suspected = Counter(
            metrics.metric_name(metrics.SUSPECTED), "d", ("reason",), registry=self.registry
        )

    def play(self, seconds: float) -> None:
        self.events.labels("plays", "applied").inc()
        self.latency.labels("append").observe(seconds)
        self.trials.labels("default", "next", "0").inc()
        self.hits.labels("default", "next", "0", "10").inc(0.5)


@contextmanager
def serving(worker: Worker) -> Iterator[int]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(generate_latest(worker.registry))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    async with redis_server() as node:
        yield node.url


async def write_lists(url: str, user_id: str, offset: int, *track_ids: str, at_ms: int = 1) -> None:
    kinds: tuple[ListKind, ...] = ("next", "discover")
    async with Redis.from_url(url) as redis:
        for kind in kinds:
            count = len(track_ids)
            columns = (track_ids, [1.0] * count, ["popular"] * count, [-1] * count)
            version = format_version(1, offset)
            raw = encode_list(version, user_id, kind=kind, at_ms=at_ms, session=[], columns=columns)
            key = next_key(user_id) if kind == "next" else discover_key(user_id)
            await redis.set(key, raw)


def play_of(user_id: str, track_id: str = "t") -> PlayEvent:
    return PlayEvent("e", user_id, track_id, 1_795_383_600_000, 9, 9, "finished")


class Taken:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.plays: list[PlayEvent] = []

    async def send_many(self, plays: Sequence[PlayEvent]) -> None:
        self.plays += plays

    async def flush(self) -> None:
        """Everything is stored at once."""


# ---------------------------------------------------------------- metrics


async def test_a_sample_adds_up_workers_and_leaves_out_who_does_not_answer() -> None:
    one, two = Worker(), Worker()
    one.events.labels("plays", "applied").inc(5)
    one.events.labels("pairs", "applied").inc(100)
    two.events.labels("plays", "applied").inc(2)
    two.events.labels("plays", "late").inc(1)
    one.lag.labels("a").set(3)
    two.lag.labels("b").set(4)
    one.hits.labels("default", "next", "0", "10").inc(2)
    one.hits.labels("popular", "next", "15", "10").inc(4)
    one.hits.labels("popular", "next", "15", "20").inc(40)
    two.trials.labels("default", "next", "3").inc(10)
    two.trials.labels("default", "popular", "3").inc(10)
    with serving(one) as first, serving(two) as second, serving(one) as gone:
        pass
    with serving(one) as first, serving(two) as second:
        reader = MetricsReader([first, second, gone], plays_agent="plays")
        sample = await reader.read(12.0)
    assert (sample.workers, sample.at_s, sample.plays) == (2, 12.0, 8.0)
    assert sample.outcomes == {"applied": 7.0, "late": 1.0}
    assert (sample.lag, sample.hits, sample.trials) == (7.0, {"next": 6.0}, 10.0)


async def test_latency_is_that_of_the_plays_between_two_samples() -> None:
    worker = Worker()
    with serving(worker) as port:
        reader = MetricsReader([port], plays_agent="plays")
        for _ in range(1_000):
            worker.latency.labels("append").observe(0.045)
        before = await reader.read(0.0)
        for _ in range(100):
            worker.latency.labels("append").observe(0.005)
        after = await reader.read(1.0)
    latency = Latency.between(before, after, "append")
    assert latency.p50_ms == pytest.approx(5.0)
    assert latency.p99_ms == pytest.approx(9.9)
    assert Latency.between(after, after, "append") == Latency(None, None)
    assert Latency.between(before, after, "event") == Latency(None, None)


@pytest.mark.parametrize(
    ("share", "seconds"), [(0.25, 0.005), (0.5, 0.01), (0.75, 0.02), (0.9, 0.03), (0.99, 0.03)]
)
def test_quantiles_are_linear_within_a_bucket(share: float, seconds: float) -> None:
    buckets = {0.01: 50.0, 0.02: 75.0, 0.03: 90.0, math.inf: 100.0}
    assert quantile_s(buckets, share) == pytest.approx(seconds)


def test_quality_counts_only_what_was_tested_in_between() -> None:
    earlier = Sample(0.0, hits={"next": 90.0, "popular": 0.0}, trials=100.0)
    later = Sample(1.0, hits={"next": 100.0, "popular": 1.0}, trials=150.0)
    quality = quality_between(earlier, later)
    assert (quality.next, quality.popular, quality.trials) == (0.2, 0.02, 50)
    assert quality_between(later, later).next is None


def test_what_was_held_back_is_counted_from_the_beginning_of_the_demo() -> None:
    worker = Worker()
    worker.held.labels("cut").inc(5)
    with serving(worker) as port:
        reader = MetricsReader([port], plays_agent="plays")
        earlier = asyncio.run(reader.read(0.0))
        worker.held.labels("cut").inc(7)
        worker.held.labels("repeat").inc(9)
        worker.suspected.labels("cut").inc(2)
        later = asyncio.run(reader.read(1.0))
    fraud = fraud_between(earlier, later, ["bot:000"])
    assert (fraud.held, fraud.suspected, fraud.cheats) == ({"cut": 7, "repeat": 9}, 2, ("bot:000",))
    assert fraud.words() == "repeat 9, cut 7"
    assert fraud_between(later, later, []).words() == "none"


# ---------------------------------------------------------------- the followed listener


async def test_whoever_plays_three_tracks_first_is_followed(redis_url: str) -> None:
    async with ListReader(redis_url) as lists:
        follower = Follower(lists, ManualClock())
        sink = WatchedSink(Taken(), follower)
        await sink.send_many([play_of(user) for user in ("a", "b", "b", "a", "b", "a")])
        assert (follower.user_id, sink.sent, sink.first_user_id) == ("b", 6, "a")


async def test_a_bot_is_not_followed_however_much_it_plays(redis_url: str) -> None:
    async with ListReader(redis_url) as lists:
        follower = Follower(lists, ManualClock(), never=["bot:000"])
        follower.note([play_of("bot:000")] * 9 + [play_of("a")] * 3)
        assert follower.user_id == "a"


async def test_a_listener_who_falls_silent_is_left_for_one_who_plays(redis_url: str) -> None:
    clock = ManualClock()
    async with ListReader(redis_url) as lists:
        follower = Follower(lists, clock)
        follower.note([play_of("a")] * 3 + [play_of("b")] * 3)
        assert follower.user_id == "a"
        clock.advance(ms=int(1000 * SILENT_MAX_S) + 1)
        follower.note([play_of("c"), play_of("b", "new")])
        view = await follower.read()
    assert view is not None
    assert (view.user_id, [play.track_id for play in view.plays]) == ("b", ["new"])


async def test_changes_of_a_list_in_redis_are_seen_with_what_moved(redis_url: str) -> None:
    async with ListReader(redis_url) as lists:
        follower = Follower(lists, ManualClock())
        follower.note([play_of("u", "played")] * 3)
        assert (await follower.read()) is not None
        await write_lists(redis_url, "u", 1, "a", "b", "c")
        first = await follower.read()
        same = await follower.read()
        await write_lists(redis_url, "u", 2, "c", "a", "d")
        second = await follower.read()
    assert first is not None
    assert second is not None
    assert first == same
    assert [(e.track_id, e.moved) for e in first.next] == [("a", None), ("b", None), ("c", None)]
    assert [(e.track_id, e.moved) for e in second.discover] == [("c", 2), ("a", -1), ("d", None)]
    assert (first.changes, second.changes) == (1, 2)
    assert second.plays[0].track_id == "played"


# ---------------------------------------------------------------- the show


async def run_small_show(redis_url: str, *, terminal: bool) -> tuple[Outcome, str]:
    """A second and a half of plays, served by a worker that lists every play at once."""
    worker, taken, clock, out = Worker(), Taken(), SystemClock(), io.StringIO()
    console = Console(file=out, width=120, force_terminal=terminal)
    async with Redis.from_url(redis_url) as redis:
        columns = (["hit", "slow"], [5.0, 2.0], [1.0, -1.0], ["new", "falling"])
        raw = encode_trending(
            format_version(1, 1), "world", window="hour", at_ms=1, columns=columns
        )
        await redis.set(trend_key("world", "hour"), raw)
    with serving(worker) as port:
        reader = MetricsReader([port], plays_agent="plays")
        async with ListReader(redis_url) as lists:
            follower = Follower(lists, clock)
            sink = WatchedSink(taken, follower)

            async def feed() -> None:
                for number in range(15):
                    await sink.send_many([play_of("u", f"track-{number}")])
                    await write_lists(redis_url, "u", number, f"track-{number}", at_ms=5)
                    worker.play(0.015)
                    await asyncio.sleep(0.1)

            outcome = await run_show(
                feed(),
                sink,
                Observer(reader, lists, follower, plan=Plan(1.5, "hit"), clock=clock),
                console=console,
                clock=clock,
                first_list=wait_for_list(lists, sink, since_ms=5, clock=clock),
            )
    return outcome, out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
async def test_a_show_ends_with_the_figures_of_the_whole_run(
    redis_url: str, *, terminal: bool
) -> None:
    outcome, text = await run_small_show(redis_url, terminal=terminal)
    assert outcome.outcomes == {"applied": 15}
    assert outcome.snapshot.sent == 15
    assert outcome.latency.p50_ms == pytest.approx(15.0)
    assert (outcome.snapshot.quality.next, outcome.snapshot.quality.trials) == (0.5, 15)
    assert outcome.snapshot.trend.place == 1
    assert outcome.first_list_s is not None
    assert outcome.snapshot.listener is not None
    assert outcome.snapshot.listener.changes >= 3
    assert ("plays a second" in text) is terminal
    assert ("u played track-" in text) is not terminal


async def test_a_show_fails_with_its_feed(redis_url: str) -> None:
    worker, clock = Worker(), SystemClock()
    with serving(worker) as port:
        async with ListReader(redis_url) as lists:
            follower = Follower(lists, clock)
            sink = WatchedSink(Taken(), follower)

            async def feed() -> None:
                raise ConnectionError("Kafka is away")

            with pytest.raises(ConnectionError, match="Kafka is away"):
                await run_show(
                    feed(),
                    sink,
                    Observer(
                        MetricsReader([port], plays_agent="plays"),
                        lists,
                        follower,
                        plan=Plan(1.0),
                        clock=clock,
                    ),
                    console=Console(file=io.StringIO()),
                    clock=clock,
                    first_list=wait_for_list(lists, sink, since_ms=0, clock=clock),
                )


async def test_a_list_of_an_earlier_run_is_not_the_first_list(redis_url: str) -> None:
    async with ListReader(redis_url) as lists:
        sink = WatchedSink(Taken(), Follower(lists, ManualClock()))
        await sink.send_many([play_of("u")])
        await write_lists(redis_url, "u", 1, "a", at_ms=99)
        waiting = asyncio.ensure_future(
            wait_for_list(lists, sink, since_ms=100, clock=SystemClock())
        )
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        await write_lists(redis_url, "u", 2, "a", at_ms=100)
        await asyncio.wait_for(waiting, 5.0)
