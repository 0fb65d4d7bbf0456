"""Reads what a switch concerns: from the API server, or from a folder of manifests.

Only lists and the ConfigMaps that Multus itself mounts are read; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import yaml

import polypod
from polypod.doctor import multus
from polypod.doctor.facts import AskingPod, Facts, SettingsText, Workload
from polypod.errors import ApiError, StorageError
from polypod.kube.client import Client, Query
from polypod.nad.definition import Definition

Object = Mapping[str, Any]
NETWORK = "k8s.cni.cncf.io"
LISTS = {
    "NetworkAttachmentDefinition": f"/apis/{NETWORK}/v1/network-attachment-definitions",
    "Pod": "/api/v1/pods",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "Deployment": "/apis/apps/v1/deployments",
}
PAGE_FILE = "differences.md"
PAGE = 250
WAIT_S = 30.0
NOT_FOUND = 404
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KINDS = frozenset({*LISTS, "ConfigMap"})


class _Meta(msgspec.Struct):
    next: str | None = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    items: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class _Heap:
    """Objects as they come, by kind."""

    definitions: list[Definition] = field(default_factory=list[Definition])
    pods: list[AskingPod] = field(default_factory=list[AskingPod])
    workloads: list[Workload] = field(default_factory=list[Workload])
    config_maps: dict[tuple[str, str], Mapping[str, str]] = field(
        default_factory=dict[tuple[str, str], Mapping[str, str]]
    )
    problems: list[str] = field(default_factory=list[str])

    def take(self, kind: str, thing: Object) -> None:
        """Keep as much of an object as rules ask for."""
        metadata = _table(thing.get("metadata"))
        namespace, name = str(metadata.get("namespace") or "default"), str(metadata.get("name"))
        spec = _table(thing.get("spec"))
        if kind == "NetworkAttachmentDefinition":
            config = spec.get("config")
            self.definitions.append(
                Definition(
                    namespace=namespace,
                    name=name,
                    config=config if isinstance(config, str) else None,
                    annotations=_texts(metadata.get("annotations")),
                )
            )
        elif kind == "Pod":
            self.pods.append(
                AskingPod(
                    namespace=namespace,
                    name=name,
                    annotations=_texts(metadata.get("annotations")),
                    host_network=spec.get("hostNetwork") is True,
                )
            )
        elif kind == "ConfigMap":
            self.config_maps[namespace, name] = _texts(thing.get("data"))
        elif kind in LISTS:
            self.workloads.append(_workload(kind, namespace, name, thing))

    def facts(self) -> Facts:
        """Return what was taken."""
        return Facts(
            definitions=tuple(self.definitions),
            pods=tuple(self.pods),
            workloads=tuple(self.workloads),
            settings=tuple(self._settings()),
            problems=tuple(self.problems),
        )

    def _settings(self) -> Iterator[SettingsText]:
        for workload in self.workloads:
            if not multus.is_multus(workload):
                continue
            for name in workload.config_maps:
                for key, text in self.config_maps.get((workload.namespace, name), {}).items():
                    if text.lstrip().startswith("{"):
                        where = f"ConfigMap {workload.namespace}/{name} {key}"
                        yield SettingsText(where=where, raw=text.encode())


def from_cluster(client: Client) -> Facts:
    """Return what a cluster holds.

    Raises:
        ApiError, TryAgainError: the cluster did not answer.
    """
    heap = _Heap()
    for kind, path in LISTS.items():
        try:
            for thing in _pages(client, path):
                heap.take(kind, thing)
        except ApiError as error:
            if error.status != NOT_FOUND:  # no such kind: no network definition was ever there
                raise
    for workload in heap.workloads:
        for name in workload.config_maps if multus.is_multus(workload) else ():
            _take_config_map(client, workload.namespace, name, heap)
    return heap.facts()


def from_manifests(folder: Path) -> Facts:
    """Return what the YAML files of a folder hold, those of its subfolders included.

    Raises:
        StorageError: the folder is not there.
    """
    if not folder.is_dir():
        raise StorageError(f"there is no folder {folder}", hint="correct --manifests")
    heap = _Heap()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".yaml", ".yml", ".json"} and path.is_file():
            _take_file(path, heap)
    return heap.facts()


def page_of_differences() -> str:
    """Return the page: of the installed package, or of the checkout.

    Raises:
        StorageError: it is in neither.
    """
    package = Path(polypod.__file__).resolve().parent
    for path in (package / "doctor" / PAGE_FILE, package.parents[1] / "docs" / PAGE_FILE):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise StorageError(f"{PAGE_FILE} is not installed", hint="install the wheel again")


def _pages(client: Client, path: str) -> Iterator[Object]:
    token = ""
    while True:
        parameters = (("limit", str(PAGE)), *((("continue", token),) if token else ()))
        raw = client.get(Query(path=path, parameters=parameters), timeout_s=WAIT_S)
        page = msgspec.json.decode(raw, type=_Page)
        yield from page.items or ()
        token = page.metadata.next or ""
        if not token:
            return


def _take_config_map(client: Client, namespace: str, name: str, heap: _Heap) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    try:
        heap.take("ConfigMap", msgspec.json.decode(client.get(Query(path=path), timeout_s=WAIT_S)))
    except ApiError as error:
        heap.problems.append(f"ConfigMap {namespace}/{name}: {error.cause}")


def _take_file(path: Path, heap: _Heap) -> None:
    try:
        for document in yaml.load_all(path.read_bytes(), Loader=_Loader):
            for thing in _members(document):
                kind = str(thing.get("kind"))
                if kind in _KINDS:
                    heap.take(kind, thing)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        said = getattr(error, "problem", None) or getattr(error, "strerror", None) or str(error)
        heap.problems.append(f"{path}: {said}")


def _members(document: object) -> Iterator[Object]:
    table = _table(document)
    items = table.get("items")
    if str(table.get("kind", "")).endswith("List") and isinstance(items, list):
        for item in cast("list[object]", items):
            yield from _members(item)
    elif table:
        yield table


def _workload(kind: str, namespace: str, name: str, thing: Object) -> Workload:
    spec = _table(thing.get("spec"))
    pod = _table(_table(spec.get("template")).get("spec"))
    containers = [*_tables(pod.get("initContainers")), *_tables(pod.get("containers"))]
    volumes = {str(v.get("name")): v for v in _tables(pod.get("volumes"))}
    paths = {
        str(mount.get("mountPath")): str(_table(volume.get("hostPath")).get("path"))
        for container in containers
        for mount in _tables(container.get("volumeMounts"))
        if "hostPath" in (volume := volumes.get(str(mount.get("name")), {}))
    }
    words = [
        str(word)
        for container in containers
        for key in ("command", "args")
        for word in cast("list[object]", container.get(key) or [])
    ]
    maps = [
        str(_table(v.get("configMap")).get("name")) for v in volumes.values() if "configMap" in v
    ]
    return Workload(
        kind=kind,
        namespace=namespace,
        name=name,
        images=tuple(str(container.get("image", "")) for container in containers),
        arguments=tuple(words),
        config_maps=tuple(maps),
        host_paths=paths,
        document=_applicable(kind, namespace, name, thing),
    )


def _applicable(kind: str, namespace: str, name: str, thing: Object) -> dict[str, object]:
    """Return an object without what the API server wrote into it."""
    metadata = _table(thing.get("metadata"))
    kept = {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}
    return {
        "apiVersion": thing.get("apiVersion") or "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **kept},
        "spec": dict(_table(thing.get("spec"))),
    }


def _table(value: object) -> Object:
    return cast("Object", value) if isinstance(value, dict) else {}


def _tables(value: object) -> list[Object]:
    return [_table(one) for one in cast("list[object]", value)] if isinstance(value, list) else []


def _texts(value: object) -> dict[str, str]:
    return {str(key): text for key, text in _table(value).items() if isinstance(text, str)}
