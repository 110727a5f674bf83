"""The registry of topics and the names of Redis keys keep their promises."""

import re

import pytest

from schemas.catalogue import BINARY, STRUCTS
from schemas.rediskeys import KINDS, PREFIX, listener_keys
from schemas.registry import PLAYS, REGISTRY, TOPICS, spec_of


def test_names_are_unique_and_follow_the_pattern() -> None:
    names = [spec.topic() for spec in TOPICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"segue\.[a-z]+(-[a-z]+)*\.v\d+", name) for name in names)


def test_prefix_is_the_installations() -> None:
    assert PLAYS.topic("acme.") == "acme.plays.v1"


def test_topics_of_a_group_have_equal_partition_counts() -> None:
    counts: dict[str, set[int]] = {}
    for spec in TOPICS:
        if spec.group is not None:
            counts.setdefault(spec.group, set()).add(spec.partition_count(7))
    assert counts == {
        "recommend-listeners": {7},
        "recommend-neighbours": {7},
        "recommend-trends": {7},
        "recommend-vectors": {1},
    }


def test_each_group_with_input_has_a_changelog() -> None:
    changelogs = {spec.group for spec in TOPICS if spec.group and spec.compacted}
    assert changelogs == {spec.group for spec in TOPICS if spec.group}


def test_changelogs_are_compacted_and_kept() -> None:
    for spec in TOPICS:
        if spec.name.endswith("-changelog"):
            assert (spec.compacted, spec.retention_ms) == (True, None)
            assert spec.kafka_config(1_000_000)["cleanup.policy"] == "compact"
            assert "retention.ms" not in spec.kafka_config(1_000_000)


def test_topics_that_are_not_compacted_have_a_retention() -> None:
    assert [spec.name for spec in TOPICS if not spec.compacted and not spec.retention_ms] == []


def test_registry_has_one_partition_whatever_the_setting() -> None:
    assert REGISTRY.partition_count(64) == 1


def test_broker_accepts_what_the_codec_accepts() -> None:
    assert int(PLAYS.kafka_config(1_000_000)["max.message.bytes"]) > 1_000_000


@pytest.mark.parametrize("spec", TOPICS, ids=lambda spec: spec.name)
def test_value_type_is_one_we_know(spec: object) -> None:
    assert getattr(spec, "value_type", None) in {*STRUCTS, *BINARY, "bytes"}


def test_unknown_topic_is_a_key_error() -> None:
    assert spec_of("plays") is PLAYS
    with pytest.raises(KeyError):
        spec_of("songs")


def test_keys_of_a_listener_are_all_that_name_one() -> None:
    named = [PREFIX + kind for kind in KINDS if "{user" in kind]
    assert sorted(listener_keys("{user_id}")) == sorted(named)
