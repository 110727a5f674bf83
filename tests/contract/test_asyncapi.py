"""The AsyncAPI document has the structure of AsyncAPI 3 and says what the registry says."""

import re
from collections.abc import Iterator

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # publishes no types

from schemas.asyncapi import asyncapi_document
from schemas.catalogue import PARTS, STRUCTS, JsonObject
from schemas.internal import HEADERS
from schemas.registry import TOPICS

DOCUMENT = asyncapi_document()

TEXT = {"type": "string", "minLength": 1}
REFERENCE = {
    "type": "object",
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "required": ["$ref"],
    "additionalProperties": False,
}
KAFKA_CHANNEL = {
    "type": "object",
    "properties": {
        "topic": TEXT,
        "partitions": {"type": "integer", "minimum": 1},
        "topicConfiguration": {
            "type": "object",
            "properties": {
                "cleanup.policy": {"type": "array", "items": {"enum": ["compact", "delete"]}},
                "retention.ms": {"type": "integer", "minimum": 1},
            },
            "additionalProperties": False,
        },
        "bindingVersion": {"const": "0.5.0"},
    },
    "required": ["topic", "topicConfiguration", "bindingVersion"],
    "additionalProperties": False,
}
CHANNEL = {
    "type": "object",
    "properties": {
        "address": TEXT,
        "title": TEXT,
        "description": TEXT,
        "messages": {"type": "object", "minProperties": 1, "additionalProperties": REFERENCE},
        "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        "bindings": {"type": "object", "properties": {"kafka": KAFKA_CHANNEL}},
    },
    "required": ["address", "messages"],
    "additionalProperties": False,
}
OPERATION = {
    "type": "object",
    "properties": {
        "action": {"enum": ["send", "receive"]},
        "channel": REFERENCE,
        "summary": TEXT,
        "messages": {"type": "array", "minItems": 1, "items": REFERENCE},
    },
    "required": ["action", "channel"],
    "additionalProperties": False,
}
MESSAGE = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "title": TEXT,
        "summary": TEXT,
        "contentType": {"type": "string", "pattern": "^application/"},
        "payload": {"type": "object"},
        "headers": {"type": "object", "properties": {"type": {"const": "object"}}},
        "bindings": {"type": "object", "required": ["kafka"]},
    },
    "required": ["payload"],
    "additionalProperties": False,
}
# The parts of the AsyncAPI 3.0 specification that this document uses; nothing else may appear.
STRUCTURE = {
    "type": "object",
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {
            "type": "object",
            "properties": {
                "title": TEXT,
                "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
                "description": TEXT,
                "license": {"type": "object", "required": ["name"]},
            },
            "required": ["title", "version"],
            "additionalProperties": False,
        },
        "defaultContentType": TEXT,
        "channels": {"type": "object", "additionalProperties": CHANNEL},
        "operations": {"type": "object", "additionalProperties": OPERATION},
        "components": {
            "type": "object",
            "properties": {
                "messages": {"type": "object", "additionalProperties": MESSAGE},
                "schemas": {"type": "object", "additionalProperties": {"type": "object"}},
            },
            "additionalProperties": False,
        },
    },
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "additionalProperties": False,
}


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> JsonObject:
    node: JsonObject = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_document_has_the_structure_of_asyncapi_3() -> None:
    errors = [error.message for error in Draft202012Validator(STRUCTURE).iter_errors(DOCUMENT)]
    assert errors == []


def test_every_reference_resolves() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 2 * len(TOPICS)
    assert all(isinstance(resolve(reference), dict) for reference in found)


def test_operation_names_messages_of_its_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_each_topic_of_the_registry_is_a_channel_under_its_name() -> None:
    found = {name: channel["address"] for name, channel in DOCUMENT["channels"].items()}
    assert found == {spec.name: spec.topic() for spec in TOPICS}


def test_names_are_those_the_specification_allows_as_component_keys() -> None:
    names = [*DOCUMENT["components"]["messages"], *DOCUMENT["components"]["schemas"]]
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", name) for name in names)


def test_segue_receives_inputs_and_sends_outputs() -> None:
    actions: dict[str, set[str]] = {}
    for operation in DOCUMENT["operations"].values():
        name = operation["channel"]["$ref"].removeprefix("#/channels/")
        actions.setdefault(name, set()).add(operation["action"])
    both = {"send", "receive"}
    expected = {"in": {"receive"}, "out": {"send"}, "internal": both}
    assert actions == {spec.name: expected[spec.direction] for spec in TOPICS}


def test_event_payload_is_one_event_or_an_array_of_them() -> None:
    schema = DOCUMENT["components"]["messages"]["PlayEvent"]["payload"]
    one = {"$ref": "#/components/schemas/PlayEvent"}
    assert schema == {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def test_schemas_are_those_of_the_values_on_topics() -> None:
    used = {spec.value_type for spec in TOPICS} & set(STRUCTS)
    parts = {"RecommendationList"} | set(PARTS)  # of values, in fields
    assert set(DOCUMENT["components"]["schemas"]) == used | parts


def test_dead_letters_document_their_headers() -> None:
    headers = DOCUMENT["components"]["messages"]["DeadLetters"]["headers"]
    assert set(headers["properties"]) == set(HEADERS)
