"""Pods and network definitions from a folder of YAML: the source of a node without API server.

The folder is watched by looking again when a question comes, at most every EVERY_S, and once more
before an answer is "there is none". A broken file is reported with its line, keeps its last good
content, and never stops the others.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from polypod.kube import documents
from polypod.kube.documents import Content, Key, Problem
from polypod.kube.pods import Pod
from polypod.nad.definition import Definition

log = logging.getLogger("polypod.kube")
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
EVERY_S = 0.05
"""A thousand files take 6 ms to look at, so a burst of pods may not look for each (measured)."""
YOUNG_NS = 20_000_000
"""Two writes of one tick of a file system's clock look alike: a file this young is read again."""
Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _File:
    stamp: Stamp | None
    """Time, size and inode; None when it has to be read again."""
    content: Content


@dataclass(frozen=True, slots=True)
class _Index:
    """Every file's content; the last file in alphabetical order wins."""

    pods: dict[Key, Pod] = field(default_factory=dict[Key, Pod])
    definitions: dict[Key, Definition] = field(default_factory=dict[Key, Definition])
    problems: tuple[Problem, ...] = ()


class ManifestSource:
    """Answers from the folder's files."""

    is_complete = False
    """Pods that no file describes may run on the node all the same."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the folder, so that what is wrong with it is in the log from the start."""
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._index = _Index()
        self._looked_at = float("-inf")
        self._look(self._clock())

    def pod(self, namespace: str, name: str, uid: str = "") -> Pod | None:
        """Return a pod, None when no file has it."""
        del uid
        key, asked = (namespace, name), self._clock()
        found = self._look(asked - EVERY_S).pods.get(key)
        return found if found is not None else self._look(asked).pods.get(key)

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return a network definition, None when no file has it."""
        key, asked = (namespace, name), self._clock()
        found = self._look(asked - EVERY_S).definitions.get(key)
        return found if found is not None else self._look(asked).definitions.get(key)

    def pods(self) -> tuple[Pod, ...]:
        """Return every pod."""
        return tuple(self._look(self._clock()).pods.values())

    def problems(self) -> tuple[Problem, ...]:
        """Return what cannot be used, by file."""
        return self._look(self._clock()).problems

    def _look(self, since: float) -> _Index:
        """Look at the folder, unless that was done since a moment; return what is in it."""
        with self._lock:
            if self._looked_at <= since:
                self._looked_at = self._clock()
                if self._reload():
                    self._index = _merged(self._files)
            return self._index

    def _reload(self) -> bool:
        """Read the files that changed; tell whether there were any."""
        stamps = _stamps(self._directory)
        gone = self._files.keys() - stamps.keys()
        for name in gone:
            del self._files[name]
        changed = bool(gone)
        for name, stamp in stamps.items():
            known = self._files.get(name)
            if known is None or known.stamp is None or known.stamp != stamp:
                self._files[name] = _read(self._directory / name, stamp, known)
                changed = True
        return changed


def _stamps(directory: Path) -> dict[str, Stamp | None]:
    found: dict[str, Stamp | None] = {}
    now = time.time_ns()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or Path(entry.name).suffix not in SUFFIXES:
                    continue
                try:
                    stat = entry.stat()
                except OSError:
                    continue
                is_young = abs(now - stat.st_mtime_ns) < YOUNG_NS
                stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                found[entry.name] = None if is_young else stamp
    except OSError:
        return {}
    return found


def _read(path: Path, stamp: Stamp | None, known: _File | None) -> _File:
    fresh = documents.read(path)
    told = known.content.problems if known is not None else []
    for problem in fresh.problems:
        if problem not in told:
            log.warning(
                "manifest.problem file=%s line=%d cause=%r",
                problem.file,
                problem.line,
                problem.text,
            )
    if not fresh.is_whole and known is not None:
        fresh.pods = {**known.content.pods, **fresh.pods}
        fresh.definitions = {**known.content.definitions, **fresh.definitions}
    return _File(stamp, fresh)


def _merged(files: dict[str, _File]) -> _Index:
    pods: dict[Key, Pod] = {}
    definitions: dict[Key, Definition] = {}
    problems: list[Problem] = []
    for name in sorted(files):
        content = files[name].content
        pods.update(content.pods)
        definitions.update(content.definitions)
        problems.extend(content.problems)
    return _Index(pods, definitions, tuple(problems))
