"""Logs are read whole, in bounded memory, and every row is either a play or a reported reason."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.codec import EventDecoder, encode_event
from schemas.events import PlayEvent
from segue.errors import Misconfigured
from segue.sim.logfile import PlayLog, log_size, open_log, read_log
from segue.sim.logrows import ORDER_BASE_MS, BadRows

AT_S = 1_700_000_000


def csv_of(folder: Path, text: str, name: str = "plays.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def parquet_of(folder: Path, columns: Mapping[str, Sequence[Any]], **options: Any) -> Path:
    path = folder / "plays.parquet"
    pq.write_table(pa.table(dict(columns)), path, **options)
    return path


def plays_of(path: Path) -> list[PlayEvent]:
    return [play for batch in read_log(path) for play in batch]


def bad_of(path: Path) -> tuple[list[PlayEvent], BadRows]:
    bad = BadRows()
    return [play for batch in read_log(path, bad=bad) for play in batch], bad


def test_all_columns_of_a_csv_arrive(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "item,user,ts,session,weight,artist,market,event_id,played_ms,duration_ms,other\n"
        f'T1,U1,{AT_S},S1,1.0,"Ash, and Oak",SE,E1,200000,210000,ignored\n',
    )
    assert plays_of(path) == [
        PlayEvent(
            "E1", "U1", "T1", AT_S * 1000, 200_000, 210_000, "finished", "S1", "Ash, and Oak",
            market="SE",
        )
    ]  # fmt: skip


def test_csv_and_parquet_of_the_same_log_give_the_same_plays(tmp_path: Path) -> None:
    rows = [(f"u{i % 7}", i % 11, AT_S + i, i // 5) for i in range(500)]
    text = "user,item,ts,session\n" + "".join(f"{u},{i},{t},{s}\n" for u, i, t, s in rows)
    users, items, times, sessions = zip(*rows, strict=True)
    columns = {"user": users, "item": items, "ts": times, "session": sessions}
    from_csv = plays_of(csv_of(tmp_path, text))
    from_parquet = plays_of(parquet_of(tmp_path, columns))
    assert [(p.user_id, p.track_id, p.started_at_ms, p.session_id) for p in from_csv] == [
        (p.user_id, p.track_id, p.started_at_ms, p.session_id) for p in from_parquet
    ]
    assert len(from_csv) == 500


@pytest.mark.parametrize(
    ("ts", "unit", "started_at_ms"),
    [
        (str(AT_S), "s", AT_S * 1000),
        (f"{AT_S}.25", "s", AT_S * 1000 + 250),
        (str(AT_S * 1000 + 7), "ms", AT_S * 1000 + 7),
        ("41", "order", ORDER_BASE_MS + 41_000),
        ("99999999", "order", ORDER_BASE_MS + 99_999_999_000),
        ("946684800", "s", 946_684_800_000),
    ],
)
def test_the_unit_of_time_follows_from_the_greatest(
    tmp_path: Path, ts: str, unit: str, started_at_ms: int
) -> None:
    path = csv_of(tmp_path, f"user,item,ts\nu,t,{ts}\n")
    assert open_log(path).unit == unit
    assert [play.started_at_ms for play in plays_of(path)] == [started_at_ms]


def test_a_log_that_begins_with_small_times_is_judged_by_its_greatest(tmp_path: Path) -> None:
    path = csv_of(tmp_path, f"user,item,ts\nu,t,5\nu,t,{AT_S}\n")
    plays, bad = bad_of(path)
    assert [play.started_at_ms for play in plays] == [AT_S * 1000]
    assert bad.examples == [(2, "ts: 5 (s) is not between the years 2000 and 2100")]


def test_parquet_timestamps_are_read_as_milliseconds(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    path = parquet_of(tmp_path, {"user": ["u"], "item": ["t"], "ts": [at]})
    assert plays_of(path)[0].started_at_ms == int(at.timestamp() * 1000)


@pytest.mark.parametrize(
    ("fields", "played_ms", "duration_ms", "end_reason"),
    [
        (",,", 0, 0, "finished"),
        (",,240000", 240_000, 240_000, "finished"),
        (",230000,240000", 230_000, 240_000, "finished"),
        (",100000,240000", 100_000, 240_000, "stopped"),
        (",12000,240000", 12_000, 240_000, "skipped"),
        (",12000,20000", 12_000, 20_000, "stopped"),
        (",12000,", 12_000, 0, "skipped"),
        (",31000,", 31_000, 0, "finished"),
        ("0,,240000", 0, 240_000, "skipped"),
        ("-1,,", 0, 0, "skipped"),
        ("0.5,,240000", 120_000, 240_000, "stopped"),
        ("3,,240000", 240_000, 240_000, "finished"),
    ],
)
def test_how_a_play_ended_follows_from_lengths_and_weight(
    tmp_path: Path, fields: str, played_ms: int, duration_ms: int, end_reason: str
) -> None:
    text = f"user,item,ts,weight,played_ms,duration_ms\nu,t,{AT_S},{fields}\n"
    play = plays_of(csv_of(tmp_path, text))[0]
    assert (play.played_ms, play.duration_ms, play.end_reason) == (
        played_ms, duration_ms, end_reason,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f",t,{AT_S},,", "user: missing"),
        (f"u,,{AT_S},,", "item: missing"),
        ("u,t,,,", "ts: missing"),
        ("u,t,yesterday,,", "ts: 'yesterday' is not a number"),
        ("u,t,nan,,", "ts: nan is not a finite number"),
        ("u,t,-5,,", "ts: -5 (s) is not between the years 2000 and 2100"),
        (f"u\x07,t,{AT_S},,", "user: longer than 256 bytes or with control characters"),
        (f"{'u' * 257},t,{AT_S},,", "user: longer than 256 bytes or with control characters"),
        (f"{'ü' * 129},t,{AT_S},,", "user: longer than 256 bytes or with control characters"),
        (f"u,t,{AT_S},Sweden-North,", "market: 'Sweden-North' is not 2 to 8 of A-Z a-z 0-9 -"),
        (f"u,t,{AT_S},,-1", "played_ms: -1 is not between 0 and a day"),
        (f"u,t,{AT_S},,86400001", "played_ms: 86400001 is not between 0 and a day"),
        (f"u,t,{AT_S}", "3 fields where the header has 5"),
        (f"u,t,{AT_S},,,,", "7 fields where the header has 5"),
    ],
)
def test_a_row_that_is_no_play_is_reported_with_its_line(
    tmp_path: Path, row: str, reason: str
) -> None:
    good = f"u,good,{AT_S},,"
    text = "\n".join(["user,item,ts,market,played_ms", good, row, good, ""])
    plays, bad = bad_of(csv_of(tmp_path, text))
    assert [play.track_id for play in plays] == ["good", "good"]
    assert (bad.count, bad.examples) == (1, [(3, reason)])
    assert list(bad.lines()) == [f"line 3: {reason}"]


def test_without_a_collector_the_first_bad_row_raises(tmp_path: Path) -> None:
    path = csv_of(tmp_path, f"user,item,ts\nu,t,{AT_S}\nu,,{AT_S}\n")
    with pytest.raises(Misconfigured, match=r"plays\.csv, line 3: item: missing"):
        plays_of(path)


def test_many_bad_rows_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    text = "user,item,ts\n" + "u,,1\n" * 25
    plays, bad = bad_of(csv_of(tmp_path, text))
    lines = list(bad.lines())
    assert (plays, bad.count, len(lines), lines[-1]) == ([], 25, 11, "and 15 more")


def test_bytes_that_are_not_utf8_spoil_their_row_only(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_bytes(b"user,item,ts\nu\xff,t,%d\nu,t,%d\n" % (AT_S, AT_S))
    plays, bad = bad_of(path)
    assert (len(plays), bad.examples) == (1, [(2, "user: not valid UTF-8")])


def test_an_unclosed_quote_is_reported_not_swallowed(tmp_path: Path) -> None:
    plays, bad = bad_of(csv_of(tmp_path, f'user,item,ts\nu,t,{AT_S}\nu,"t,{AT_S}\nu,t,{AT_S}\n'))
    assert (len(plays), bad.count) == (1, 1)
    assert bad.examples[0][1] == "2 fields where the header has 3"


def test_a_field_longer_than_the_limit_is_a_bad_row(tmp_path: Path) -> None:
    text = f"user,item,ts\nu,{'x' * 200_000},{AT_S}\nu,t,{AT_S}\n"
    plays, bad = bad_of(csv_of(tmp_path, text))
    assert (len(plays), bad.count) == (1, 1)
    assert bad.examples[0] == (2, "not CSV: field larger than field limit (131072)")


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    path = csv_of(tmp_path, f"\ufeffuser,item,ts\n\nu,t,{AT_S}\n\n")
    assert (len(plays_of(path)), log_size(path)) == (1, 1)


def test_null_and_nan_of_parquet_are_missing(tmp_path: Path) -> None:
    columns: dict[str, Sequence[Any]] = {
        "user": ["u", None, "u"],
        "item": [1.0, 2.0, float("nan")],
        "ts": [AT_S, AT_S, AT_S],
        "session": [3.0, None, None],
        "artist": [None, None, None],
    }
    plays, bad = bad_of(parquet_of(tmp_path, columns))
    assert [(p.track_id, p.session_id, p.artist) for p in plays] == [("1", "3", None)]
    assert bad.examples == [(2, "user: missing"), (3, "item: missing")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_missing_column_is_named_with_its_file(tmp_path: Path, kind: str) -> None:
    if kind == "csv":
        path = csv_of(tmp_path, "user,track\nu,t\n")
    else:
        path = parquet_of(tmp_path, {"user": ["u"], "track": ["t"]})
    with pytest.raises(Misconfigured) as raised:
        open_log(path)
    assert str(raised.value) == f"plays.{kind} has no column item and no column ts"
    assert raised.value.remedy == "its columns are: user, track; needed are user, item, ts"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plays.txt", b"", "plays.txt is neither .parquet nor .csv"),
        ("plays.csv", b"", "plays.csv has no column user and no column item and no column ts"),
        ("plays.parquet", b"not parquet", "plays.parquet cannot be read as Parquet"),
    ],
)
def test_a_file_that_is_no_log_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Misconfigured, match=message):
        open_log(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no file"):
        open_log(tmp_path / "absent.csv")


def test_default_event_ids_depend_on_content_and_row_not_on_the_name(tmp_path: Path) -> None:
    text = f"user,item,ts\nu,t,{AT_S}\nu,t,{AT_S}\n"
    one = [play.event_id for play in plays_of(csv_of(tmp_path, text, "one.csv"))]
    copy = [play.event_id for play in plays_of(csv_of(tmp_path, text, "copy.csv"))]
    other = [play.event_id for play in plays_of(csv_of(tmp_path, text + f"u,t,{AT_S}\n", "o.csv"))]
    assert one == copy
    assert len({*one, *other}) == 5


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("start_row", [0, 1, 99, 100, 101, 250, 299, 300])
def test_reading_on_from_a_row_gives_exactly_the_rest(
    tmp_path: Path, kind: str, start_row: int
) -> None:
    rows = range(300)
    if kind == "csv":
        lines = "".join(f"u{i},t,{AT_S + i}\n" for i in rows)
        path = csv_of(tmp_path, "user,item,ts\n" + lines)
    else:
        columns: dict[str, Sequence[Any]] = {
            "user": [f"u{i}" for i in rows],
            "item": ["t"] * 300,
            "ts": [AT_S + i for i in rows],
        }
        path = parquet_of(tmp_path, columns, row_group_size=100)
    log, bad = open_log(path), BadRows()
    batches = list(log.batches(bad, start_row=start_row, batch_rows=64))
    everything = plays_of(path)
    assert log.rows == 300
    assert [play for batch in batches for play in batch.plays] == everything[start_row:]
    assert (batches[-1].next_row if batches else 300) == 300


def test_positions_count_bad_rows_too(tmp_path: Path) -> None:
    path = csv_of(tmp_path, f"user,item,ts\nu,a,{AT_S}\nu,,{AT_S}\nu,b\nu,c,{AT_S}\n")
    log, bad = open_log(path), BadRows()
    batches = list(log.batches(bad, batch_rows=1))
    assert (log.rows, [batch.next_row for batch in batches]) == (4, [1, 2, 3, 4])
    rest = list(log.batches(BadRows(), start_row=3))
    assert [play.event_id for batch in rest for play in batch.plays] == [f"{log.digest}-3"]


def test_memory_is_bounded_by_the_batch_not_by_the_file(tmp_path: Path) -> None:
    lines = "".join(f"listener-{i},track-{i},{AT_S + i}\n" for i in range(20_000))
    log = open_log(csv_of(tmp_path, "user,item,ts\n" + lines))
    assert peak_bytes(log) < 3_000_000


def peak_bytes(log: PlayLog) -> int:
    tracemalloc.start()
    try:
        for _ in log.batches(BadRows()):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_everything_read_is_accepted_by_the_contract(tmp_path: Path) -> None:
    text = "user,item,ts,artist,market\n" + "".join(
        f"ü{i},tränen-{i},{AT_S + i},Æ ß,SE\n" for i in range(50)
    )
    decode = EventDecoder(PlayEvent).decode
    plays = plays_of(csv_of(tmp_path, text))
    assert [decode(encode_event(play)) for play in plays] == [[play] for play in plays]
