"""Which types exist, by name, and their JSON Schema.

A topic of the registry names the type of its value; here the name becomes a type. The exports, the
reference pages and `segue schemas show` are made from it.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec

from schemas.audio import AudioNeighbour, AudioNeighbours
from schemas.discoveries import DiscoveriesFrame
from schemas.events import Feedback, PlayEvent, PrivacyRequest
from schemas.frames import PairsFrame, TrendCountsFrame
from schemas.impressions import Impression, ShownEntry
from schemas.internal import TopicRecord
from schemas.outputs import RecommendationList, Recommendations, SimilarTracks, TrendingTracks
from schemas.privacy import ListenerExport
from schemas.tracks import CatalogueEntry, Credit

__all__ = [
    "ANSWERS",
    "BINARY",
    "CONTRACT_VERSION",
    "ENTRIES",
    "EVENTS",
    "OUTPUTS",
    "PARTS",
    "RECORDS",
    "STRUCTS",
    "components",
    "json_schema",
]

CONTRACT_VERSION: Final = "1.0.0"
"""SemVer of everything a program outside may rely on; a new optional field is a minor version."""

EVENTS: Final[dict[str, type[msgspec.Struct]]] = {
    "PlayEvent": PlayEvent,
    "Feedback": Feedback,
    "Impression": Impression,
    "PrivacyRequest": PrivacyRequest,
}
ENTRIES: Final[dict[str, type[msgspec.Struct]]] = {
    "CatalogueEntry": CatalogueEntry,
    "AudioNeighbours": AudioNeighbours,
}
OUTPUTS: Final[dict[str, type[msgspec.Struct]]] = {
    "RecommendationList": RecommendationList,
    "Recommendations": Recommendations,
    "SimilarTracks": SimilarTracks,
    "TrendingTracks": TrendingTracks,
}
ANSWERS: Final[dict[str, type[msgspec.Struct]]] = {"ListenerExport": ListenerExport}
RECORDS: Final[dict[str, type[msgspec.Struct]]] = {"TopicRecord": TopicRecord}
STRUCTS: Final = EVENTS | ENTRIES | OUTPUTS | ANSWERS | RECORDS
PARTS: Final[dict[str, type[msgspec.Struct]]] = {
    "AudioNeighbour": AudioNeighbour,
    "Credit": Credit,
    "ShownEntry": ShownEntry,
}
"""Structs that stand in fields of others."""
BINARY: Final[dict[str, type]] = {
    "PairsFrame": PairsFrame,
    "TrendCountsFrame": TrendCountsFrame,
    "DiscoveriesFrame": DiscoveriesFrame,
}

# JSON Schema is JSON of any shape; it is only ever written out, never read by our code.
JsonObject = dict[str, Any]


def json_schema(name: str) -> JsonObject:
    """The JSON Schema (draft 2020-12) of one struct, as a document. Raises KeyError if unknown."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:segue:{name}:v1",
    }
    schemas = _schemas([name], "#/$defs/{name}")
    schema = head | schemas.pop(name)
    return schema | {"$defs": schemas} if schemas else schema


def components(names: list[str]) -> dict[str, JsonObject]:
    """The schemas of several structs, by name, as an AsyncAPI document holds them."""
    return _schemas(names, "#/components/schemas/{name}")


def _schemas(names: list[str], ref_template: str) -> dict[str, JsonObject]:
    types = [STRUCTS[name] for name in names]
    _, schemas = msgspec.json.schema_components(types, ref_template=ref_template)
    for name, schema in schemas.items():
        schema["description"] = inspect.getdoc((STRUCTS | PARTS)[name])
    return schemas
