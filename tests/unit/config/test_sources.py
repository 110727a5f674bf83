"""Where values came from, and variables that are no settings."""

from pathlib import Path

import pytest

from segue.config import Settings, load_settings, setting_sources


def test_source_of_each_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("SEGUE_PARTITIONS=5\nSEGUE_LIST_LENGTH=6\nSEGUE_BAD_WINDOW=7\n")
    monkeypatch.setenv("SEGUE_PARTITIONS", "8")
    monkeypatch.setenv("SEGUE_LIST_LENGTH", "9")
    sources = setting_sources(Settings, {"partitions": 10})
    assert sources["partitions"] == "argument"
    assert sources["list_length"] == "env"
    assert sources["bad_window"] == ".env"
    assert sources["role"] == "default"
    assert sources.keys() == Settings.model_fields.keys()


def test_empty_variable_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_PARTITIONS", "")
    assert setting_sources(Settings, {})["partitions"] == "default"


def test_misspelt_variable_is_warned_of_once_with_the_nearest_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGUE_KAFKA_BOTSTRAP", "opensesame:1")
    load_settings()
    load_settings()
    assert capsys.readouterr().err == (
        "segue: warning: SEGUE_KAFKA_BOTSTRAP is not a setting; "
        "did you mean SEGUE_KAFKA_BOOTSTRAP?\n"
    )


def test_misspelt_variable_in_env_file_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_text("SEGUE_PARTITION=5\nPATH_OF_ANOTHER_PROGRAM=1\n")
    assert load_settings().partitions == 4
    assert "SEGUE_PARTITION is not a setting; did you mean SEGUE_PARTITIONS?" in (
        capsys.readouterr().err
    )


def test_variable_like_no_setting_is_warned_of_with_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGUE_XYZZY", "1")
    load_settings()
    assert "SEGUE_XYZZY is not a setting; `segue config show`" in capsys.readouterr().err


def test_our_other_variables_and_those_of_others_are_no_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGUE_KAFKA_LIBS", "libs")
    monkeypatch.setenv("SEGUE_PARTITIONS", "3")
    monkeypatch.setenv("UNRELATED", "1")
    load_settings()
    assert capsys.readouterr().err == ""
