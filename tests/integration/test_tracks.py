"""`segue tracks` on a real Kafka: what is put is there, what is deleted is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.registry import TRACKS
from schemas.tracks import EntryDecoder
from segue.config import Settings
from segue.testing.crew import Crew
from segue.testing.logs import read_latest

pytestmark = pytest.mark.integration

COUNT = 2_500


async def test_tracks_are_put_replaced_and_deleted(
    settings: Settings, crew: Crew, tmp_path: Path
) -> None:
    path, topic = tmp_path / "tracks.jsonl", TRACKS.topic(settings.topic_prefix)
    lines = [json.dumps({"track_id": f"t{i}", "title": f"Tide {i}"}) for i in range(COUNT)]
    path.write_text("\n".join([*lines, '{"track_id":"t0"}']))
    code, output = await crew.segue("tracks", "put", str(path))
    assert code == 1
    assert f"put {COUNT:,} tracks" in output
    assert "line 2501: missing_field" in output
    path.write_text('{"track_id":"t1","title":"Rain"}\n')
    assert (await crew.segue("tracks", "put", str(path)))[0] == 0
    code, output = await crew.segue("tracks", "delete", "t0", "t2")
    assert (code, output.strip()) == (0, "deleted 2 tracks")
    held, decode = await read_latest(settings, topic), EntryDecoder().decode
    titles = {key: getattr(decode(key, value), "title", None) for key, value in held.items()}
    assert len(titles) == COUNT - 2
    assert titles[b"t1"] == "Rain"
    assert titles[b"t3"] == "Tide 3"
