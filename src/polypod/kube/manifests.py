"""Pods and network definitions from a folder of YAML: the source of a node without API server.

The folder is looked at again whenever a question comes and something in it has changed. A broken
file is reported with its line, keeps its last good content, and never stops the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml

from polypod.kube.pods import Pod
from polypod.nad.definition import Definition

log = logging.getLogger("polypod.kube")
MAX_BYTES = 4 << 20
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
Stamp: TypeAlias = tuple[int, int, int]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that cannot be used."""

    file: str
    line: int
    text: str


@dataclass(slots=True)
class _File:
    stamp: Stamp
    pods: dict[tuple[str, str], Pod] = field(default_factory=dict[tuple[str, str], Pod])
    definitions: dict[tuple[str, str], Definition] = field(
        default_factory=dict[tuple[str, str], Definition]
    )
    problems: list[Problem] = field(default_factory=list[Problem])


class ManifestSource:
    """Answers from the folder's files."""

    def __init__(self, directory: Path) -> None:
        """Keep the place; files are read at the first question."""
        self._directory = directory
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()

    def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod, None when no file has it."""
        return next(
            (f.pods[namespace, name] for f in self._newest() if (namespace, name) in f.pods), None
        )

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return a network definition, None when no file has it."""
        key = (namespace, name)
        return next((f.definitions[key] for f in self._newest() if key in f.definitions), None)

    def pods(self) -> tuple[Pod, ...]:
        """Return every pod."""
        return tuple(pod for file in self._newest() for pod in file.pods.values())

    def problems(self) -> tuple[Problem, ...]:
        """Return what cannot be used, by file."""
        return tuple(problem for file in self._newest() for problem in file.problems)

    def _newest(self) -> list[_File]:
        """Return the files, the last in alphabetical order first: it wins."""
        with self._lock:
            self._reload()
            return [self._files[name] for name in sorted(self._files, reverse=True)]

    def _reload(self) -> None:
        there = {}
        if self._directory.is_dir():
            there = {p.name: p for p in self._directory.iterdir() if p.suffix in SUFFIXES}
        for gone in self._files.keys() - there.keys():
            del self._files[gone]
        for name, path in there.items():
            try:
                stat = path.stat()
            except OSError:
                continue
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            known = self._files.get(name)
            if known is None or known.stamp != stamp:
                self._files[name] = _read(path, stamp, known)


def _read(path: Path, stamp: Stamp, known: _File | None) -> _File:
    fresh = _File(stamp)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            fresh.problems.append(Problem(path.name, 1, "longer than 4 MiB"))
        else:
            for document in yaml.load_all(raw, Loader=_Loader):
                _take(document, fresh, path.name)
    except yaml.YAMLError as error:
        fresh.problems.append(_problem(path.name, error))
    except (OSError, ValueError, RecursionError) as error:
        fresh.problems.append(Problem(path.name, 1, str(error)))
    for problem in fresh.problems:
        log.warning("manifest.problem file=%s line=%d cause=%r", *_parts(problem))
    if fresh.problems and known is not None:
        fresh.pods = {**known.pods, **fresh.pods}
        fresh.definitions = {**known.definitions, **fresh.definitions}
    return fresh


def _parts(problem: Problem) -> tuple[str, int, str]:
    return problem.file, problem.line, problem.text


def _problem(name: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    return Problem(name, mark.line + 1 if mark else 1, str(said))


def _take(document: object, file: _File, name: str) -> None:
    for item in _objects(document):
        metadata, kind = _table(item.get("metadata")), item.get("kind")
        if kind not in {"Pod", "NetworkAttachmentDefinition"}:
            continue
        own, namespace = metadata.get("name"), metadata.get("namespace") or "default"
        if not isinstance(own, str) or not isinstance(namespace, str):
            file.problems.append(Problem(name, 1, f"a {kind} without metadata.name"))
            continue
        annotations = {
            str(key): value
            for key, value in _table(metadata.get("annotations")).items()
            if isinstance(value, str)
        }
        spec = _table(item.get("spec"))
        if kind == "Pod":
            file.pods[namespace, own] = Pod(
                namespace=namespace,
                name=own,
                uid=str(metadata.get("uid") or ""),
                annotations=annotations,
                host_network=spec.get("hostNetwork") is True,
            )
            continue
        config = spec.get("config")
        if config is not None and not isinstance(config, str):
            file.problems.append(Problem(name, 1, f"{namespace}/{own}: spec.config is no string"))
            continue
        file.definitions[namespace, own] = Definition(
            namespace=namespace, name=own, config=config, annotations=annotations
        )


def _objects(document: object) -> Iterator[Mapping[str, object]]:
    if not isinstance(document, dict):
        return
    table = cast("Mapping[str, object]", document)
    members = table.get("items")
    if str(table.get("kind", "")).endswith("List") and isinstance(members, list):
        for member in cast("list[object]", members):
            yield from _objects(member)
        return
    yield table


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
