"""Feeding keeps its pace and its limits, and resumes without losing a row."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from schemas.events import PlayEvent
from segue.errors import Misconfigured, Unavailable
from segue.sim.feeder import Limit, LogFeeder, feed_simulated
from segue.sim.logfile import PlayLog, open_log
from segue.sim.pacer import CHUNK_MAX, Pacer
from segue.sim.position import FeedPosition, PositionFile
from segue.sim.progress import FeedProgress
from segue.sim.simulator import Simulator


class SteppedClock:
    """Time that passes only while somebody sleeps, and then at once."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now_ms(self) -> int:
        return 1_800_000_000_000 + round(self.passed_s * 1000)

    def monotonic_s(self) -> float:
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        self.passed_s += seconds
        await asyncio.sleep(0)


class Store:
    """Takes plays like Kafka: what is flushed is stored. Fails once `fails_after` are stored."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.buffered: list[PlayEvent] = []
        self.stored: list[PlayEvent] = []
        self.fails_after = fails_after

    async def send_many(self, plays: Sequence[PlayEvent]) -> None:
        self.buffered += plays

    async def flush(self) -> None:
        await asyncio.sleep(0)
        if self.fails_after is not None and len(self.stored) >= self.fails_after:
            raise Unavailable("away", what="kafka")
        self.stored += self.buffered
        self.buffered = []


def log_of(folder: Path, rows: int) -> PlayLog:
    path = folder / "plays.csv"
    lines = "".join(f"u{i % 5},t{i % 9},{1_700_000_000 + i}\n" for i in range(rows))
    path.write_text("user,item,ts\n" + lines)
    return open_log(path)


def feeder_of(log: PlayLog, store: Store, folder: Path, rate: float | None = None) -> LogFeeder:
    clock = SteppedClock()
    pacer = Pacer(rate, clock, sleep=clock.sleep)
    position = PositionFile(folder, log.digest, "here")
    return LogFeeder(log, store, position=position, pacer=pacer, clock=clock)


@pytest.mark.parametrize("rate", [0.5, 7.0, 500.0, 30_000.0])
async def test_the_average_rate_is_kept(rate: float) -> None:
    clock = SteppedClock()
    pacer, taken = Pacer(rate, clock, sleep=clock.sleep), 0
    while clock.passed_s < 20.0:
        taken += await pacer.take(CHUNK_MAX)
    assert taken == pytest.approx(rate * clock.passed_s, rel=0.05, abs=1.0)


async def test_what_was_held_up_for_long_does_not_come_as_a_burst() -> None:
    clock = SteppedClock()
    pacer = Pacer(100.0, clock, sleep=clock.sleep)
    await pacer.take(CHUNK_MAX)
    clock.passed_s += 3600.0
    assert await pacer.take(CHUNK_MAX) == 100


async def test_without_a_rate_a_chunk_goes_at_once_and_no_more_than_wanted() -> None:
    clock = SteppedClock()
    pacer = Pacer(None, clock, sleep=clock.sleep)
    assert [await pacer.take(10**9), await pacer.take(3)] == [CHUNK_MAX, 3]
    assert clock.passed_s == 0.0


@pytest.mark.parametrize(
    ("limit", "fed"), [(Limit(1_234, None), 1_234), (Limit(None, 3.0), 1_500), (Limit(7, 3.0), 7)]
)
async def test_a_simulated_feed_ends_at_its_limit(limit: Limit, fed: int) -> None:
    clock, store, reports = SteppedClock(), Store(), list[int]()
    count = await feed_simulated(
        Simulator(1, listeners=20, tracks=40),
        store,
        pacer=Pacer(500.0, clock, sleep=clock.sleep),
        clock=clock,
        limit=limit,
        report=reports.append,
    )
    assert count == len(store.stored) == reports[-1] == pytest.approx(fed, rel=0.02)
    assert reports == sorted(reports)


async def test_simulated_plays_end_when_they_are_sent() -> None:
    clock, store = SteppedClock(), Store()
    await feed_simulated(
        Simulator(1, listeners=20, tracks=40),
        store,
        pacer=Pacer(100.0, clock, sleep=clock.sleep),
        clock=clock,
        limit=Limit(None, 2.0),
        report=lambda _: None,
    )
    ends = [play.started_at_ms + play.played_ms for play in store.stored]
    times = [end_ms - 1_800_000_000_000 for end_ms in ends]
    assert times == sorted(times)
    assert 0 <= times[0] < 100
    assert times[-1] == pytest.approx(2_000, abs=50)


async def test_a_log_is_fed_whole_and_in_order(tmp_path: Path) -> None:
    log, store = log_of(tmp_path, 5_000), Store()
    feeder = feeder_of(log, store, tmp_path)
    rows: list[int] = []
    await feeder.feed(rows.append)
    assert [play.event_id for play in store.stored] == [f"{log.digest}-{i}" for i in range(5_000)]
    assert (rows[-1], feeder.plays, feeder.bad.count) == (5_000, 5_000, 0)


async def test_a_second_feed_of_the_same_log_sends_nothing(tmp_path: Path) -> None:
    log, store = log_of(tmp_path, 100), Store()
    await feeder_of(log, store, tmp_path).feed(lambda _: None)
    await feeder_of(log, store, tmp_path).feed(lambda _: None)
    assert len(store.stored) == 100


async def test_after_a_failure_the_feed_goes_on_where_kafka_stored_last(tmp_path: Path) -> None:
    log, failing = log_of(tmp_path, 1_000), Store(fails_after=300)
    with pytest.raises(Unavailable):
        await feeder_of(log, failing, tmp_path).feed(lambda _: None, batch_rows=100)
    again = Store()
    feeder = feeder_of(log, again, tmp_path)
    assert feeder.next_row == len(failing.stored) == 300
    await feeder.feed(lambda _: None)
    fed = [play.event_id for play in failing.stored + again.stored]
    assert fed == [f"{log.digest}-{i}" for i in range(1_000)]


async def test_a_cancelled_feed_loses_no_row(tmp_path: Path) -> None:
    log, store = log_of(tmp_path, 2_000), Store()
    feeding = asyncio.ensure_future(
        feeder_of(log, store, tmp_path).feed(lambda _: None, batch_rows=50)
    )
    while len(store.stored) < 500:
        await asyncio.sleep(0)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    assert len(store.stored) < 2_000
    again = Store()
    await feeder_of(log, again, tmp_path).feed(lambda _: None)
    fed = {play.event_id for play in store.stored + again.stored}
    assert fed == {f"{log.digest}-{i}" for i in range(2_000)}


async def test_a_log_keeps_the_stated_rate(tmp_path: Path) -> None:
    log, store = log_of(tmp_path, 600), Store()
    clock = SteppedClock()
    pacer = Pacer(100.0, clock, sleep=clock.sleep)
    position = PositionFile(tmp_path, log.digest, "here")
    feeder = LogFeeder(log, store, position=position, pacer=pacer, clock=clock)
    await feeder.feed(lambda _: None, batch_rows=100)
    assert clock.passed_s == pytest.approx(6.0, rel=0.05)


async def test_a_store_that_never_answers_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Store):
        async def flush(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("segue.sim.feeder.STORE_TIMEOUT_S", 0.05)
    feeder = feeder_of(log_of(tmp_path, 10), Silent(), tmp_path)
    with pytest.raises(Unavailable, match="did not store"):
        await feeder.feed(lambda _: None)
    assert feeder.next_row == 0


def test_positions_differ_by_log_and_by_cluster(tmp_path: Path) -> None:
    paths = {
        PositionFile(tmp_path, digest, target).path
        for digest in ("aa", "bb")
        for target in ("one", "two")
    }
    assert len(paths) == 4


def test_a_position_is_replaced_whole_and_can_be_forgotten(tmp_path: Path) -> None:
    file = PositionFile(tmp_path, "aa", "here")
    assert file.read() is None
    for row in (1, 2):
        file.write(FeedPosition("plays.csv", row, row, 5))
    assert file.read() == FeedPosition("plays.csv", 2, 2, 5)
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]
    file.forget()
    file.forget()
    assert file.read() is None


def test_an_unreadable_position_says_how_to_go_on(tmp_path: Path) -> None:
    file = PositionFile(tmp_path, "aa", "here")
    file.path.parent.mkdir(parents=True)
    file.path.write_text("{")
    with pytest.raises(Misconfigured) as raised:
        file.read()
    assert "--restart" in raised.value.remedy


def test_progress_without_a_terminal_is_a_line_a_second() -> None:
    out, clock = io.StringIO(), SteppedClock()
    console = Console(file=out, width=100)
    with FeedProgress(console, clock, title="rows", total=5_000, done=1_000) as progress:
        for done in range(1_000, 3_001, 100):
            progress.update(done)
            clock.passed_s += 0.125
    assert out.getvalue().splitlines() == [
        "rows: 1,800 of 5,000, 800/s, 4 s left",
        "rows: 2,600 of 5,000, 800/s, 3 s left",
        "rows: 3,000 of 5,000, 762/s on average",
    ]


def test_progress_on_a_terminal_shows_bar_rate_and_time_left() -> None:
    out, clock = io.StringIO(), SteppedClock()
    console = Console(file=out, force_terminal=True, width=120)
    with FeedProgress(console, clock, title="rows", total=5_000) as progress:
        progress.update(5_000)
    shown = out.getvalue()
    assert "rows" in shown
    assert "5000/5000" in shown
    assert "left" in shown
