"""What the demo and the list commands draw says what the values say."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from schemas.events import PlayEvent
from schemas.outputs import (
    SOURCES,
    STATED,
    STRATEGIES,
    RecommendationList,
    SimilarTracks,
    TrendingTracks,
)
from segue.client import reason
from segue.demo.follow import Entry, ListenerView, moves
from segue.demo.lines import change_line, status_line
from segue.demo.scrape import Latency
from segue.demo.setup import waiting_text
from segue.demo.show import Outcome
from segue.demo.summary import look_further, summary_table
from segue.demo.tables import recommendation_table, similar_table, trend_table
from segue.demo.trending import TrendWatch
from segue.demo.view import Quality, Snapshot, Trending, TrendView, draw
from segue.local.state import Endpoints, ServiceState, WorkerEndpoint

VERSION = "1795383600000-0000000000000042"
OF_SESSION = {"together", "lately", "after", "artist"}


def shown(drawn: RenderableType, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(drawn)
    return out.getvalue()


def list_of(*track_ids: str, kind: str = "next") -> RecommendationList:
    return RecommendationList(
        VERSION,
        "listener:000042",
        "next" if kind == "next" else "discover",
        1_795_383_600_123,
        list(track_ids),
        [1.5 / (place + 1) for place in range(len(track_ids))],
        ["together"] * len(track_ids),
        [0] * len(track_ids),
        ["track:s"],
    )


def play_of(track_id: str, reason: str = "finished") -> PlayEvent:
    return PlayEvent(
        "e", "listener:000042", track_id, 1_795_383_600_000, 9, 9,
        "skipped" if reason == "skipped" else "finished",
    )  # fmt: skip


def snapshot_of(
    listener: ListenerView | None = None,
    trend: TrendView | None = None,
    latency: Latency | None = None,
) -> Snapshot:
    return Snapshot(
        elapsed_s=12.3,
        total_s=60.0,
        sent=6_150,
        plays_per_s=498.7,
        latency=latency or Latency(4.25, 17.8),
        lag=3,
        quality=Quality(0.314, 0.021, 5_000),
        listener=listener,
        trend=trend
        or TrendView((Trending("track:hit-001", 90.0), Trending("track:next-002", 40.0))),
    )


FOLLOWED = ListenerView(
    "listener:000042",
    (play_of("track:just-now-003"), play_of("track:skipped-004", "skipped")),
    (Entry("track:up-005", "together", 2), Entry("track:fresh-006", "together", None)),
    (Entry("track:down-007", "popular", -3), Entry("track:same-008", "together", 0)),
    7,
)


def test_the_view_shows_rates_latency_lag_and_hit_rates() -> None:
    text = shown(draw(snapshot_of()))
    for expected in ("12 of 60 s", "6,150 plays sent", "499", "4.2 ms", "17.8 ms", "31.4 %"):
        assert expected in text
    assert "2.1 %" in text
    assert "5,000" in text
    assert "waiting for somebody" in text


def test_the_view_shows_what_a_listener_played_and_what_moved() -> None:
    text = shown(draw(snapshot_of(FOLLOWED)))
    assert "listener:000042 (followed lists changed 7 times)" in text
    assert "just played  track:just-now-003" in text
    rows = [line.strip("│ ").split() for line in text.splitlines() if "track:" in line]
    assert rows[-2:] == [
        ["1", "▲2", "track:up-005", "1", "▼3", "track:down-007"],
        ["2", "new", "track:fresh-006", "2", "track:same-008"],
    ]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_view_fits_the_terminal(width: int) -> None:
    long = "track:" + "very-long-name-" * 20 + "[bold]"
    listener = ListenerView("u", (play_of(long),), (Entry(long, "together", 1),) * 10, (), 1)
    lines = shown(draw(snapshot_of(listener)), width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert len(lines) == 26


def test_ids_with_markup_are_shown_as_they_are() -> None:
    entry = Entry("[red]x[/red]", "together", None)
    listener = ListenerView("[b]u", (play_of("[i]t"),), (entry,), (entry,), 1)
    text = shown(draw(snapshot_of(listener, TrendView((Trending("[u]hit", 1.0),)))))
    for expected in ("[red]x[/red]", "[b]u", "[i]t", "[u]hit"):
        assert expected in text


def test_without_plays_there_are_dashes_not_zeros() -> None:
    text = shown(draw(snapshot_of(latency=Latency(None, None))))
    waits = [line.split("│")[1].split()[-1] for line in text.splitlines() if "play →" in line]
    assert waits == ["–", "–"]


def test_the_awaited_track_is_announced_then_ranked() -> None:
    tracks = (
        Trending("track:hit-001", 90.0, "steady", "→"),
        Trending("track:late-bloom-009", 80.0, "new", "★ ×3.0"),
    )
    before = shown(draw(snapshot_of(trend=TrendView(tracks[:1], "track:late-bloom-009", 8.0))))
    after = shown(draw(snapshot_of(trend=TrendView(tracks, "track:late-bloom-009"))))
    assert "in 8 s: track:late-bloom-009" in before
    assert "place 2 ★ ×3.0: track:late-bloom-009" in after


def test_plain_lines_say_the_same() -> None:
    line = status_line(
        snapshot_of(FOLLOWED, TrendView((Trending("track:t", 3.0, "rising", "▲ ×2.0"),), "track:t"))
    )
    assert line == (
        " 12 s  6,150 plays sent  499/s  play to Redis p50 4.2 ms  p99 17.8 ms  lag 3  "
        "hit rate 31.4 % (popular 2.1 %)  track:t trends, place 1 ▲ ×2.0"
    )
    assert change_line(snapshot_of(), FOLLOWED) == (
        "      listener:000042 played track:just-now-003 | "
        "next: track:up-005 ▲2, track:fresh-006 new | "
        "discover: track:down-007 ▼3, track:same-008"
    )


def test_titles_stand_for_ids_where_they_are_known() -> None:
    trend = TrendView((Trending("track:next-002", 9.0),), "track:next-002")
    known = {"track:up-005": "Paper Rain · Ann", "track:next-002": "Tide · [b]Bo"}
    snapshot = replace(snapshot_of(FOLLOWED, trend), titles=known)
    drawn, lines = shown(draw(snapshot)), status_line(snapshot) + change_line(snapshot, FOLLOWED)
    for text in (drawn, lines):
        assert "Paper Rain · Ann" in text
        assert "Tide · [b]Bo" in text
        assert "track:up-005" not in text
        assert "track:fresh-006" in text


def test_moves_compare_places_in_both_whole_lists() -> None:
    before, after = list_of("a", "b", "c", "d"), list_of("c", "b", "x", "a")
    assert [(entry.track_id, entry.moved) for entry in moves(before, after)] == [
        ("c", 2),
        ("b", 0),
        ("x", None),
        ("a", -3),
    ]


def test_in_a_first_list_everything_is_new() -> None:
    assert [entry.moved for entry in moves(None, list_of("a", "b"))] == [None, None]


def test_a_list_becomes_a_table_with_places_scores_and_reasons() -> None:
    text = shown(recommendation_table(list_of("track:a[b]", "track:b")))
    assert "next for listener:000042" in text
    assert "computed 2026-11-22 21:40:00.123 UTC, version " + VERSION in text
    rows = [line.split() for line in text.splitlines() if "track:" in line]
    assert [row[1:-1] for row in rows] == [
        ["1", "│", "track:a[b]", "│", "1.5", "│", "goes", "with", "track:s"],
        ["2", "│", "track:b", "│", "0.75", "│", "goes", "with", "track:s"],
    ]


def reason_of(source: str, because: list[int], session: list[str]) -> str:
    listed = RecommendationList(VERSION, "u", "next", 0, ["t"], [1.0], [source], because, session)
    return reason(listed, 0)


def test_every_source_is_a_reason_in_words_of_its_own() -> None:
    session, sources = ["track:last", "track:before"], (*SOURCES, STATED, *STRATEGIES)
    reasons = {
        source: reason_of(source, [1 if source in OF_SESSION else -1], session)
        for source in sources
    }
    assert len({*reasons.values()}) == len(sources)
    assert {*reasons} & {*reasons.values()} == set()
    for source, text in reasons.items():
        assert ("track:before" in text) == (source in OF_SESSION)
    assert "track:last" in reasons["loop"]


@pytest.mark.parametrize(
    ("source", "because", "session", "expected"),
    [
        ("together", [], [], "goes with the session"),  # of an older worker
        ("loop", [-1], [], "played after the last one before"),
        ("of a newer worker", [-1], ["a"], "of a newer worker"),
    ],
)
def test_a_reason_is_found_for_lists_of_other_workers(
    source: str, because: list[int], session: list[str], expected: str
) -> None:
    assert reason_of(source, because, session) == expected


def test_similar_tracks_and_trends_become_tables() -> None:
    similar = SimilarTracks(
        VERSION, "track:a", 1_795_383_600_000, 2, ["track:b"], [12630], [2520], [7000]
    )
    trends = TrendingTracks(
        VERSION,
        "SE",
        "day",
        1_795_383_600_000,
        ["track:c", "track:d"],
        [1234.0, 3.0],
        [0.1, 1.5],
        ["steady", "new"],
    )
    assert "similar to track:a, played 2 times" in shown(similar_table(similar))
    assert "5.012" in shown(similar_table(similar))
    assert "trending in SE, by the day" in shown(trend_table(trends))
    steady, new = [line for line in shown(trend_table(trends)).splitlines() if "track:" in line]
    assert ("1,234" in steady, "→" in steady) == (True, True)
    assert "★ ×2.8" in new


def test_trends_of_an_older_worker_are_shown_without_movement() -> None:
    trends = TrendingTracks(VERSION, "SE", "day", 1_795_383_600_000, ["track:c"], [3.0])
    assert "track:c" in shown(trend_table(trends))
    assert TrendWatch().look(0.0, trends) == (Trending("track:c", 3.0),)


def test_trends_show_places_gained_in_ten_seconds_unless_a_movement_is_published() -> None:
    def found(*tracks: str) -> TrendingTracks:
        moves = ["new" if track == "d" else "steady" for track in tracks]
        count = len(tracks)
        return TrendingTracks(
            VERSION, "SE", "hour", 0, [*tracks], [9.0] * count, [1.0] * count, moves
        )

    watch = TrendWatch()
    assert watch.look(0.0, None) == ()
    assert [track.moved for track in watch.look(1.0, found("a", "b", "c"))] == [0, 0, 0]
    assert [track.moved for track in watch.look(9.0, found("c", "a", "b"))] == [2, -1, -1]
    later = watch.look(18.0, found("c", "d", "a", "e"))  # compared with what was seen at 1 s
    assert [track.moved for track in later] == [2, None, -2, None]
    assert [track.mark.plain for track in later] == ["▲2", "★ ×2.0", "▼2", "new"]
    assert [track.moved for track in watch.look(19.5, found("c", "a"))] == [0, 0]  # with 9 s


def outcome_of(listener: ListenerView | None) -> Outcome:
    trend = TrendView((Trending("track:t", 3.0, "rising", "▲ ×2.0"),), "track:t")
    outcomes = {"applied": 29_000, "skipped": 1_000}
    return Outcome(snapshot_of(listener, trend), Latency(5.0, 21.0), outcomes, 8.4)


def test_the_summary_tells_the_whole_run() -> None:
    rows = {
        cells[0].strip(): cells[1].strip()
        for line in shown(summary_table(outcome_of(FOLLOWED))).splitlines()
        if len(cells := [cell for cell in line.split("│") if cell.strip()]) == 2
    }
    assert rows == {
        "first list in Redis, after the command": "8.4 s",
        "plays sent": "6,150",
        "applied": "29,000",
        "skipped": "1,000",
        "play → list in Redis, median": "5.0 ms",
        "play → list in Redis, 99 of 100 within": "21.0 ms",
        "next play was in the list of 10": "31.4 %",
        "with the most popular instead": "2.1 %",
        "trending: track:t": "place 1",
        "followed lists seen to change": "7 times",
    }


ENDPOINTS = Endpoints(
    "127.0.0.1:19092", "redis://127.0.0.1:16379/0", (WorkerEndpoint("recommend-1", "x", 6066),)
)


def test_the_way_on_has_real_ids_and_ports() -> None:
    lines = look_further(outcome_of(FOLLOWED), ENDPOINTS, running=True)
    assert [line.strip() for line in lines[1:]] == [
        "segue next listener:000042",
        "segue discover listener:000042",
        "segue similar track:just-now-003",
        "segue trends",
        "redis-cli -p 16379 GET segue:v1:next:listener:000042",
        "curl http://127.0.0.1:6066/metrics",
    ]


def test_the_way_on_after_a_stop_begins_with_starting_again() -> None:
    lines = look_further(outcome_of(None), ENDPOINTS, running=False)
    assert lines[1].strip().startswith("segue up")
    assert [line.strip() for line in lines[2:]] == ["segue trends"]


def test_set_up_says_what_it_waits_for() -> None:
    ready = ServiceState("redis", "redis", 1, 2, "running", True, 0, None)
    late = ServiceState("kafka-1", "kafka", 3, 4, "starting", False, 0, None)
    restoring = ServiceState("recommend-1", "worker", 5, 6, "running", False, 0, None, "restoring")
    assert waiting_text([ready, late], 3.2) == "waiting for kafka-1 (starting), 3 s"
    text = waiting_text([ready, late, restoring], 3.2)
    assert text == "waiting for kafka-1 (starting), recommend-1 (restoring), 3 s"
    assert waiting_text([ready], 3.2) == "waiting for the next service, 3 s"
