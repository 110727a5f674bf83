"""The demo's sources feed for as long as they are told, and go on with a log where it was left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.events import PlayEvent
from schemas.tracks import CatalogueEntry, main_artist
from segue.clock import SystemClock
from segue.config import Settings, load_settings
from segue.demo.source import file_source, simulated_source


class Taken:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.plays: list[PlayEvent] = []
        self.entries: list[CatalogueEntry] = []

    async def send_track(self, entry: CatalogueEntry) -> None:
        self.entries.append(entry)

    async def send_many(self, plays: Sequence[PlayEvent]) -> None:
        self.plays += plays

    async def flush(self) -> None:
        """Everything is stored at once."""


def settings_of(folder: Path) -> Settings:
    return load_settings(env_file=folder / "absent.env", data_dir=folder / "data")


async def test_simulated_plays_are_of_now_and_end_with_the_time() -> None:
    clock, sink = SystemClock(), Taken()
    source = simulated_source((1, 20, 40), rate=200.0, seconds=0.5, clock=clock)
    await source.feed(sink, 200.0, seconds=0.5, clock=clock)
    assert 60 <= len(sink.plays) <= 110
    assert all(abs(p.started_at_ms + p.played_ms - clock.now_ms()) < 5_000 for p in sink.plays)
    assert source.awaited in {play.track_id for play in sink.plays}
    assert source.complaints() == []


async def test_what_is_played_is_in_the_catalogue_and_has_a_title() -> None:
    clock, sink = SystemClock(), Taken()
    source = simulated_source((1, 20, 40), rate=200.0, seconds=0.5, clock=clock)
    await source.publish(sink)
    await source.feed(sink, 200.0, seconds=0.2, clock=clock)
    titles = {entry.track_id: f"{entry.title} · {main_artist(entry)}" for entry in sink.entries}
    assert source.titles == titles
    assert {play.track_id for play in sink.plays} <= {*titles}
    assert {f"{play.title} · {play.artist}" for play in sink.plays} <= {*titles.values()}


async def test_a_log_is_taken_up_again_and_begins_anew_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_text("user,item,ts\n" + "".join(f"u,t{i},{i}\n" for i in range(100)))
    clock, settings = SystemClock(), settings_of(tmp_path)
    begun = []
    for rate, seconds in ((20.0, 1.5), (None, 5.0), (None, 5.0)):
        source = file_source(path, settings)
        begun.append(source.describe())
        await source.feed(Taken(), rate, seconds=seconds, clock=clock)
    # At 20 a second a chunk is 20 rows: the first second's was stored, the second's was not.
    assert begun == [f"plays.csv, 100 rows, from row {row}" for row in (1, 21, 1)]


async def test_rows_that_are_no_plays_are_told(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_text("user,item,ts\nu,t,1\nu,,2\n")
    clock, sink = SystemClock(), Taken()
    source = file_source(path, settings_of(tmp_path))
    await source.feed(sink, None, seconds=5.0, clock=clock)
    assert len(sink.plays) == 1
    assert source.complaints() == ["1 rows of plays.csv are no plays:", "line 3: item: missing"]
