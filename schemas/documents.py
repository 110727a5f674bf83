"""Everything that is generated from the contract, as a map of path to text.

`segue schemas export` writes it, `segue schemas check` and a test compare it with what is in git.
"""

from __future__ import annotations

import orjson

from schemas.asyncapi import asyncapi_document
from schemas.catalogue import STRUCTS, JsonObject, json_schema
from schemas.reference import messages_page, topics_page

__all__ = ["documents", "pretty_json"]


def documents() -> dict[str, str]:
    """Path, relative to the repository's root, to the text that belongs there."""
    texts = {f"schemas/export/{name}.v1.json": pretty_json(json_schema(name)) for name in STRUCTS}
    texts["schemas/export/asyncapi.json"] = pretty_json(asyncapi_document())
    texts["docs/reference/topics.md"] = topics_page()
    texts["docs/reference/messages.md"] = messages_page()
    return texts


def pretty_json(value: JsonObject) -> str:
    """Indented JSON with a newline at the end; the same value always gives the same text."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
