"""Files of a catalogue become entries; what cannot be one is counted with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.tracks import CatalogueEntry, Credit
from segue.errors import Misconfigured
from segue.sim.logrows import BadRows
from segue.sim.trackfile import count_lines, read_tracks


def test_json_lines_hold_an_entry_each(tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"track_id":"t1","title":"Tide","artists":[{"name":"Ann","role":"composer"}]}\n'
        b"\n"
        b'{"track_id":"t2"}\n'
        b'{"track_id":"t\xff","title":"x"}\n'
        b'{"track_id":"t3","title":"\xc3\xa9"}'
    )
    bad = BadRows()
    assert [*read_tracks(path, bad)] == [
        (1, CatalogueEntry("t1", "Tide", (Credit("Ann", "composer"),))),
        (5, CatalogueEntry("t3", "é")),
    ]
    assert [line for line, _ in bad.examples] == [3, 4]
    assert [reason.partition(":")[0] for _, reason in bad.examples] == [
        "missing_field", "invalid_utf8",
    ]  # fmt: skip
    assert count_lines(path) == 4


def test_columns_of_csv_are_fields_and_semicolons_stand_between_several(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    path.write_text(
        "track_id, title,artists,genres,duration_ms,released_on\n"
        't1,"Tide, ""live""",Ann; Bo,pop ;;rock,1000,1999\n'
        "t2,Rain,,,,\n"
        "t3,Hail,Ann,,long,\n"
        ",Snow,,,,\n"
    )
    bad = BadRows()
    assert [*read_tracks(path, bad)] == [
        (
            2,
            CatalogueEntry(
                "t1",
                'Tide, "live"',
                (Credit("Ann"), Credit("Bo")),
                duration_ms=1000,
                released_on="1999",
                genres=("pop", "rock"),
            ),
        ),
        (3, CatalogueEntry("t2", "Rain")),
    ]
    assert [(line, reason.partition(":")[0]) for line, reason in bad.examples] == [
        (4, "wrong_type"),
        (5, "missing_field"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("tracks.csv", "track_id,name\n"), ("tracks.csv", ""), ("tracks.txt", ""), ("no.csv", None)],
)
def test_a_file_that_is_no_catalogue_is_refused(
    tmp_path: Path, name: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(Misconfigured):
        [*read_tracks(tmp_path / name, BadRows())]
