"""The AsyncAPI 3 document: every topic of the registry in the form that other tools read.

Generated, kept in git under schemas/export/, and compared with the registry by a test.
"""

from __future__ import annotations

from typing import Final

from schemas.catalogue import CONTRACT_VERSION, EVENTS, STRUCTS, JsonObject, components
from schemas.internal import HEADERS
from schemas.registry import DEAD_LETTERS, TOPICS, TopicSpec

__all__ = ["asyncapi_document"]

_BINDING_VERSION: Final = "0.5.0"
_BINARY_CONTENT: Final = "application/octet-stream"
_ACTIONS: Final = {"in": ("receive",), "out": ("send",), "internal": ("send", "receive")}


def asyncapi_document() -> JsonObject:
    """The whole document, seen from Segue: it receives what producers send. O(topics)."""
    used = [name for name in STRUCTS if name in {spec.value_type for spec in TOPICS}]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Segue",
            "version": CONTRACT_VERSION,
            "description": "Topics of Segue, a stream processor for music services. Names begin "
            "with the prefix of the installation, here `segue.`. Internal topics are listed for "
            "operators; other programs should not read or write them.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {spec.name: _channel(spec) for spec in TOPICS},
        "operations": {
            f"{action}-{spec.name}": _operation(spec, action)
            for spec in TOPICS
            for action in _ACTIONS[spec.direction]
        },
        "components": {
            "messages": {_message_name(spec): _message(spec) for spec in TOPICS},
            "schemas": components(used),
        },
    }


def _message_name(spec: TopicSpec) -> str:
    """Types name their message; plain bytes are named after their topic."""
    if spec.value_type != "bytes":
        return spec.value_type
    return "".join(word.capitalize() for word in spec.name.split("-"))


def _channel(spec: TopicSpec) -> JsonObject:
    name = _message_name(spec)
    configuration: JsonObject = {"cleanup.policy": ["compact" if spec.compacted else "delete"]}
    if spec.retention_ms is not None:
        configuration["retention.ms"] = spec.retention_ms
    kafka: JsonObject = {
        "topic": spec.topic(),
        "topicConfiguration": configuration,
        "bindingVersion": _BINDING_VERSION,
    }
    if spec.partitions != "keyed":
        kafka["partitions"] = spec.partitions
    return {
        "address": spec.topic(),
        "title": spec.name,
        "description": spec.doc,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "tags": [{"name": spec.direction}],
        "bindings": {"kafka": kafka},
    }


def _operation(spec: TopicSpec, action: str) -> JsonObject:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{spec.name}"},
        "summary": spec.doc,
        "messages": [{"$ref": f"#/channels/{spec.name}/messages/{_message_name(spec)}"}],
    }


def _message(spec: TopicSpec) -> JsonObject:
    name = _message_name(spec)
    message: JsonObject = {
        "name": name,
        "title": name,
        "summary": spec.doc,
        "contentType": "application/json" if spec.value_type in STRUCTS else _BINARY_CONTENT,
        "payload": _payload(spec),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": spec.key},
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }
    if spec is DEAD_LETTERS:
        message["headers"] = {
            "type": "object",
            "properties": {
                header: {"type": "string", "description": doc} for header, doc in HEADERS.items()
            },
        }
    return message


def _payload(spec: TopicSpec) -> JsonObject:
    if spec.value_type not in STRUCTS:
        return {"type": "string", "format": "binary"}
    one = {"$ref": f"#/components/schemas/{spec.value_type}"}
    if spec.value_type in EVENTS:
        return {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    return one
