"""A checker of JSON against a schema, for the words that the schemas of tests/data/ use.

A word that it does not know fails, so that nothing passes because it was not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

KNOWN = {
    *("$defs", "$ref", "additionalProperties", "enum", "format", "items", "oneOf", "pattern"),
    *("patternProperties", "properties", "required", "type"),
    *("description", "minLength", "title", "$schema"),
}
TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "object": (dict,),
    "string": (str,),
}


def faults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a value, each with its place."""
    return list(_faults(value, schema, root, "$"))


def _faults(
    value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], at: str
) -> Iterator[str]:
    assert not schema.keys() - KNOWN, schema.keys() - KNOWN
    if "$ref" in schema:
        yield from _faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind == "integer" and value is True)):
        yield f"{at}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} is not as {schema['pattern']}"
    if len(value) < schema.get("minLength", 0) if isinstance(value, str) else False:
        yield f"{at}: {value!r} is too short"
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _faults(item, schema["items"], root, f"{at}[{index}]")
    if isinstance(value, dict):
        yield from _of_object(value, schema, root, at)


def _of_object(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], at: str
) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: {name} is missing"
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for name, inner in value.items():
        fitting = [known[name]] if name in known else []
        fitting += [part for pattern, part in patterns.items() if re.search(pattern, name)]
        if not fitting and schema.get("additionalProperties") is False:
            yield f"{at}: {name} is not known"
        for part in fitting:
            yield from _faults(inner, part, root, f"{at}.{name}")
