"""One file of manifests: its YAML documents as pods and network definitions, and what is wrong.

Which files there are, and when they are read again, is decided by manifests.py. What cannot be
used is a problem with its line; what can be is used all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml

from polypod.cni import lists
from polypod.errors import PolypodError
from polypod.kube.pods import Pod
from polypod.nad import definition as nad
from polypod.nad.definition import Definition

MAX_BYTES = 4 << 20
Key: TypeAlias = tuple[str, str]
"""Namespace and name."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that cannot be used."""

    file: str
    line: int
    text: str


@dataclass(slots=True)
class Content:
    """What a file holds."""

    pods: dict[Key, Pod] = field(default_factory=dict[Key, Pod])
    definitions: dict[Key, Definition] = field(default_factory=dict[Key, Definition])
    problems: list[Problem] = field(default_factory=list[Problem])
    is_whole: bool = True
    """False when it could not be read to its end."""


def read(path: Path) -> Content:
    """Read a file; whatever is wrong with it is in the answer."""
    found = Content()
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ValueError("longer than 4 MiB")
        for line, document in _documents(raw):
            for item in _objects(document):
                _take(item, line, found, path.name)
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        found.is_whole = False
        found.problems.append(_problem(path.name, error))
    return found


def _documents(raw: bytes) -> Iterator[tuple[int, object]]:
    """Yield each document with the line it begins in."""
    loader = _Loader(raw)
    try:
        while loader.check_node():
            node = loader.get_node()
            yield node.start_mark.line + 1, loader.construct_document(node)
    finally:
        loader.dispose()


def _problem(name: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "strerror", None) or str(error)
    return Problem(name, mark.line + 1 if mark else 1, str(said))


def _objects(document: object) -> Iterator[Mapping[str, object]]:
    """Yield a document, or the members of a list of objects."""
    if not isinstance(document, dict):
        return
    table = cast("Mapping[str, object]", document)
    members = table.get("items")
    if str(table.get("kind", "")).endswith("List") and isinstance(members, list):
        for member in cast("list[object]", members):
            yield from _objects(member)
        return
    yield table


def _take(item: Mapping[str, object], line: int, file: Content, name: str) -> None:
    kind = item.get("kind")
    if kind not in {"Pod", "NetworkAttachmentDefinition"}:
        return
    metadata = _table(item.get("metadata"))
    own, namespace = metadata.get("name"), metadata.get("namespace") or "default"
    if not isinstance(own, str) or not own or not isinstance(namespace, str):
        file.problems.append(Problem(name, line, f"a {kind} without metadata.name"))
    elif kind == "Pod":
        file.pods[namespace, own] = _pod(namespace, own, metadata, item)
    else:
        _take_definition(namespace, own, item, line, file, name)


def _pod(
    namespace: str, name: str, metadata: Mapping[str, object], item: Mapping[str, object]
) -> Pod:
    return Pod(
        namespace=namespace,
        name=name,
        uid=str(metadata.get("uid") or ""),
        annotations=_annotations(metadata),
        host_network=_table(item.get("spec")).get("hostNetwork") is True,
    )


def _take_definition(
    namespace: str,
    own: str,
    item: Mapping[str, object],
    line: int,
    file: Content,
    name: str,
) -> None:
    config = _table(item.get("spec")).get("config")
    if config is not None and not isinstance(config, str):
        file.problems.append(Problem(name, line, f"{namespace}/{own}: spec.config is no string"))
        return
    found = Definition(
        namespace=namespace,
        name=own,
        config=config,
        annotations=_annotations(_table(item.get("metadata"))),
    )
    file.definitions[namespace, own] = found
    wrong = _fault(found)
    if wrong:
        file.problems.append(Problem(name, line, f"{namespace}/{own}: {wrong}"))


def _fault(definition: Definition) -> str:
    """Say now what an ADD would say of a configuration: nobody else reads the JSON before that."""
    try:
        raw = nad.network_config(definition)
        if raw is not None:
            lists.parse_list(raw)
    except PolypodError as error:
        return error.cause
    return ""


def _annotations(metadata: Mapping[str, object]) -> dict[str, str]:
    told = _table(metadata.get("annotations"))
    return {str(key): value for key, value in told.items() if isinstance(value, str)}


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
