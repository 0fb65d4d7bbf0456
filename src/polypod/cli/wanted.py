"""What a call by hand brings along: networks named on the command line, and pods from a folder.

A network is a definition's [NAMESPACE/]NAME[@INTERFACE], an annotation in JSON, or a file with a
configuration; the engine reads the outcome from stdin (engine/by_hand.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from polypod.cni import lists
from polypod.engine.by_hand import KEY, NETWORK
from polypod.engine.resolve import DEFAULT_NETWORK, NETWORKS
from polypod.errors import InvalidAnnotationError, InvalidConfigError, PolypodError, StorageError
from polypod.kube.manifests import ManifestSource
from polypod.nad import selection

SUFFIXES = frozenset({".conf", ".conflist", ".json"})
FILES = "file"
"""The namespace under which configurations from files are known."""
MAX_FILE = 1 << 20


@dataclass(slots=True)
class Wanted:
    """The networks of one call, and the objects it brings along for them."""

    elements: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    pods: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    definitions: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def stdin(self) -> bytes:
        """Return the configuration of the call."""
        given: dict[str, object] = {"pods": self.pods, "definitions": self.definitions}
        if self.elements:
            given["networks"] = json.dumps(self.elements)
        config = {"cniVersion": "1.1.0", "name": NETWORK, "type": "polypod", KEY: given}
        return json.dumps(config).encode()


def of_networks(words: Sequence[str], manifests: Path | None) -> Wanted:
    """Read --network options, in their order.

    Raises:
        PolypodError: one is neither a definition's name, nor JSON, nor a configuration file.
    """
    wanted = Wanted()
    for word in words:
        if _is_file(word):
            _add_file(word, wanted)
        else:
            wanted.elements += _elements(word)
    if manifests is not None:
        source = ManifestSource(manifests)
        for element in wanted.elements:
            namespace = str(element.get("namespace") or "default")
            _bring(namespace, str(element.get("name", "")), source, wanted)
    return wanted


def of_pod(namespace: str, name: str, manifests: Path | None) -> Wanted:
    """Read a pod and the definitions it names; without a folder the daemon knows them."""
    wanted = Wanted()
    if manifests is None:
        return wanted
    source = ManifestSource(manifests)
    pod = source.pod(namespace, name)
    if pod is None:
        return wanted
    wanted.pods.append({"namespace": namespace, "name": name, "annotations": dict(pod.annotations)})
    for key, default in ((DEFAULT_NETWORK, "kube-system"), (NETWORKS, namespace)):
        text = pod.annotations.get(key, "")
        for chosen in selection.parse(text, default) if text.strip() else ():
            _bring(chosen.namespace, chosen.name, source, wanted)
    return wanted


def _is_file(word: str) -> bool:
    return Path(word.rpartition("@")[0] or word).suffix in SUFFIXES and not word.startswith("[")


def _add_file(word: str, wanted: Wanted) -> None:
    name, _, interface = word.rpartition("@") if "@" in word else (word, "", "")
    path = Path(name)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        text = raw.decode()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", hint="name a readable file") from error
    except UnicodeDecodeError as error:
        raise InvalidConfigError(f"{path} is not text") from error
    try:
        lists.parse_list(raw)
    except PolypodError as error:
        error.cause = f"{path}: {error.cause}"
        raise
    label = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "network"
    wanted.definitions.append({"namespace": FILES, "name": label, "config": text})
    element: dict[str, object] = {"name": label, "namespace": FILES}
    wanted.elements.append(element | ({"interface": interface} if interface else {}))


def _elements(word: str) -> list[dict[str, object]]:
    """Return the annotation's elements; the parser says what is wrong with a malformed one."""
    text = f"[{word}]" if word.lstrip().startswith("{") else word
    parsed = selection.parse(text, "default")
    if text.lstrip().startswith("["):
        return cast("list[dict[str, object]]", json.loads(text))
    if not all(chosen.name for chosen in parsed):
        raise InvalidAnnotationError(f"{word!r} names no network", hint="give NAME or a file")
    return [_named(chosen) for chosen in parsed]


def _named(chosen: selection.Selection) -> dict[str, object]:
    named: dict[str, object] = {"name": chosen.name, "namespace": chosen.namespace}
    return named | ({"interface": chosen.interface} if chosen.interface else {})


def _bring(namespace: str, name: str, source: ManifestSource, wanted: Wanted) -> None:
    found = source.definition(namespace, name)
    if found is None:
        return
    entry: Mapping[str, object] = {
        "namespace": namespace,
        "name": name,
        "config": found.config or "",
    }
    if entry not in wanted.definitions:
        wanted.definitions.append(dict(entry))
