"""What is generated from the contract is in step with it, and is what other tools can read."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # publishes no types

from schemas.catalogue import STRUCTS, json_schema
from schemas.documents import documents
from segue.cli.schemas import schemas
from segue.errors import SegueError

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "schemas" / "golden"


def accepts(name: str, value: object) -> bool:
    return bool(Draft202012Validator(json_schema(name)).is_valid(value))


def golden(name: str) -> Any:  # JSON of any shape
    return json.loads((GOLDEN / name).read_bytes())


@pytest.mark.parametrize("name", sorted(documents()))
def test_generated_file_is_in_step(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name], (
        "run `segue schemas export`"
    )


def test_no_export_is_left_over_from_an_earlier_contract() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "schemas" / "export").iterdir()}
    assert found == {name for name in documents() if name.startswith("schemas/export/")}


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_json_schema_is_valid_and_every_field_is_described(name: str) -> None:
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert [field for field, spec in schema["properties"].items() if not spec["description"]] == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("PlayEvent", "v1/PlayEvent.minimal.json"),
        ("PlayEvent", "v1/PlayEvent.full.json"),
        ("PlayEvent", "v1/PlayEvent.newer.json"),
        ("Feedback", "v1/Feedback.block.json"),
        ("PrivacyRequest", "v3/PrivacyRequest.erase.json"),
        ("PrivacyRequest", "v3/PrivacyRequest.export.json"),
        ("ListenerExport", "v3/ListenerExport.json"),
        ("CatalogueEntry", "v1/CatalogueEntry.minimal.json"),
        ("CatalogueEntry", "v1/CatalogueEntry.full.json"),
        ("AudioNeighbours", "v1/AudioNeighbours.json"),
        ("SimilarTracks", "v3/SimilarTracks.json"),
        ("RecommendationList", "v1/RecommendationList.json"),
        ("RecommendationList", "v2/RecommendationList.json"),
        ("Recommendations", "v2/Recommendations.json"),
        ("SimilarTracks", "v1/SimilarTracks.json"),
        ("SimilarTracks", "v2/SimilarTracks.json"),
        ("TrendingTracks", "v1/TrendingTracks.json"),
        ("TrendingTracks", "v2/TrendingTracks.json"),
        ("TopicRecord", "v1/TopicRecord.json"),
    ],
)
def test_json_schema_accepts_the_golden_message(name: str, file: str) -> None:
    assert accepts(name, golden(file))


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": ""},
        {"user_id": "x" * 257},
        {"started_at_ms": -1},
        {"played_ms": 1.5},
        {"end_reason": "paused"},
        {"market": "S:E"},
    ],
)
def test_json_schema_refuses_what_the_codec_refuses(change: dict[str, object]) -> None:
    play = golden("v1/PlayEvent.minimal.json")
    assert accepts("PlayEvent", play)
    assert not accepts("PlayEvent", play | change)


def test_check_names_the_file_that_is_out_of_step(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(schemas, ["export", "--root", str(tmp_path)]).exit_code == 0
    assert runner.invoke(schemas, ["check", "--root", str(tmp_path)]).exit_code == 0
    stale = tmp_path / "docs" / "reference" / "topics.md"
    stale.write_text(stale.read_text() + "by hand\n")
    result = runner.invoke(schemas, ["check", "--root", str(tmp_path)])
    assert isinstance(result.exception, SegueError)
    assert str(result.exception) == "not in step with the contract: docs/reference/topics.md"
    assert "segue schemas export" in result.exception.remedy


def test_second_export_writes_nothing(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(schemas, ["export", "--root", str(tmp_path)])
    assert runner.invoke(schemas, ["export", "--root", str(tmp_path)]).output == ""


def test_show_prints_types_and_topics() -> None:
    runner = CliRunner()
    assert json.loads(runner.invoke(schemas, ["show", "PlayEvent"]).output)["title"] == "PlayEvent"
    plays = json.loads(runner.invoke(schemas, ["show", "plays"]).output)
    assert plays["topic"] == "segue.plays.v1"


def test_show_of_an_unknown_name_lists_the_known_ones() -> None:
    result = CliRunner().invoke(schemas, ["show", "songs"])
    assert result.exit_code == 2
    assert "PlayEvent" in result.output
    assert "trend-counts" in result.output
