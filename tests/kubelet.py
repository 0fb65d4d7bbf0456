"""A kubelet as far as its devices go: PodResources over a real unix socket, and its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.grpc_server import GrpcServer, Method, RefusedError

from polypod.kube.pod_resources import SERVICE
from polypod.kube.protobuf import parse, render, text

GET, LIST = f"{SERVICE}Get", f"{SERVICE}List"


@dataclass(slots=True, kw_only=True)
class Container:
    """What one container has."""

    devices: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    claims: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """CDI names by the claim's name; in the pod's own namespace."""


@dataclass(slots=True)
class Kubelet:
    """Answers for the pods that a test has put there."""

    folder: Path
    pods: dict[tuple[str, str], list[Container]] = field(
        default_factory=dict[tuple[str, str], list[Container]]
    )
    has_get: bool = True

    def add_pod(self, namespace: str, name: str, *containers: Container) -> None:
        """Put a pod there."""
        self.pods[namespace, name] = list(containers)

    @contextmanager
    def served(self) -> Generator[GrpcServer]:
        """Serve the socket for the length of a block."""
        folder = self.folder / "pod-resources"
        folder.mkdir(parents=True, exist_ok=True)
        methods: dict[str, Method] = {LIST: self._list, GET: self._get}
        path = folder / "kubelet.sock"
        with GrpcServer(path, methods) as server:
            yield server
        path.unlink()

    def _get(self, message: bytes) -> bytes:
        asked = parse(message)
        key = text(asked, 2), text(asked, 1)
        if not self.has_get:
            raise RefusedError(2, "PodResources API Get method disabled")
        if key not in self.pods:
            raise RefusedError(2, f"pod {key[1]} in namespace {key[0]} not found")
        return render((1, self._pod(key)))

    def _list(self, _message: bytes) -> bytes:
        return render(*((1, self._pod(key)) for key in self.pods))

    def _pod(self, key: tuple[str, str]) -> bytes:
        namespace, name = key
        return render(
            (1, name),
            (2, namespace),
            *((3, _container(container, namespace)) for container in self.pods[key]),
        )

    def write_checkpoint(self, *entries: tuple[str, str, Mapping[str, Sequence[str]]]) -> Path:
        """Write (pod UID, resource, ids by NUMA node) as the kubelet keeps them."""
        listed = [
            {
                "PodUID": uid,
                "ContainerName": "main",
                "ResourceName": resource,
                "DeviceIDs": ids,
                "AllocResp": "",
            }
            for uid, resource, ids in entries
        ]
        content = {
            "Data": {"PodDeviceEntries": listed, "RegisteredDevices": {}},
            "Checksum": 4242,
        }
        path = self.checkpoint
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    @property
    def checkpoint(self) -> Path:
        """Return the path of the checkpoint."""
        return self.folder / "device-plugins" / "kubelet_internal_checkpoint"


def _container(container: Container, namespace: str) -> bytes:
    devices = [
        (2, render((1, resource), *((2, one) for one in ids), (3, render((1, render((1, 0)))))))
        for resource, ids in container.devices.items()
    ]
    claims = [
        (5, render((2, name), (3, namespace), (4, render(*((1, render((1, c))) for c in cdi)))))
        for name, cdi in container.claims.items()
    ]
    return render((1, "main"), *devices, (3, 7), *claims)
