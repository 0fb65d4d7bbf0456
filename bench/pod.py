"""The pod that is measured: a bridge with gateway as primary, a second bridge, two macvlans.

All addresses come from host-local. The same networks are written once for Polypod (a primary
and NetworkAttachmentDefinitions) and once for the reference plugins (one stdin each).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.lab import PARENT
from bench.programs import Job

IFNAMES = ("eth0", "net1", "net2", "net3")
VERSION = "1.0.0"


def networks(prefix: str, data: Path) -> list[dict[str, object]]:
    """Return the four configurations; prefix keeps bridges and pools apart, data holds leases."""

    def ipam(number: int) -> dict[str, object]:
        subnet = f"10.{_NET[prefix] + number}.0.0/16"
        return {"type": "host-local", "dataDir": str(data), "ranges": [[{"subnet": subnet}]]}

    def bridge(number: int, **more: object) -> dict[str, object]:
        return {"type": "bridge", "bridge": f"{prefix}br{number}", "ipam": ipam(number), **more}

    def macvlan(number: int) -> dict[str, object]:
        return {"type": "macvlan", "master": PARENT, "mode": "bridge", "ipam": ipam(number)}

    parts = (bridge(0, isDefaultGateway=True), bridge(1), macvlan(2), macvlan(3))
    return [
        {"cniVersion": VERSION, "name": f"{prefix}net{number}", **part}
        for number, part in enumerate(parts)
    ]


_NET = {"pp": 10, "ref": 20, "one": 30, "rone": 40}


def bridges(prefix: str) -> tuple[str, str]:
    """Return the names of the two bridges."""
    return f"{prefix}br0", f"{prefix}br1"


def write_manifests(folder: Path, secondary: Sequence[dict[str, object]], pods: int) -> None:
    """Write definitions and pods as the daemon's --manifests wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    documents: list[object] = [
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": network["name"], "namespace": "bench"},
            "spec": {"config": json.dumps(network)},
        }
        for network in secondary
    ]
    chosen = ",".join(str(network["name"]) for network in secondary)
    for number in range(pods):
        annotations = {"k8s.v1.cni.cncf.io/networks": chosen} if chosen else {}
        metadata = {"name": f"pod{number}", "namespace": "bench", "annotations": annotations}
        documents.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    text = "\n---\n".join(json.dumps(document) for document in documents)
    (folder / "bench.yaml").write_text(text, encoding="utf-8")


def shim_jobs(
    command: str, shim: Path, socket: Path, stdin: Path, paths: Sequence[str], label: str
) -> list[Job]:
    """Return one shim call a pod."""
    return [
        Job(
            pod=number,
            words=(str(shim),),
            stdin=str(stdin),
            environment={
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": f"{label}-{number}-%d",
                "CNI_NETNS": path,
                "CNI_IFNAME": "eth0",
                "CNI_PATH": "/nonexistent",
                "CNI_ARGS": _arguments(number),
                "POLYPOD_SOCKET": str(socket),
                "POLYPOD_SPOOL": str(socket.with_name("spool")),
            },
        )
        for number, path in enumerate(paths)
    ]


def reference_jobs(
    command: str, plugins: Path, stdins: Sequence[Path], paths: Sequence[str], label: str
) -> list[Job]:
    """Return a chain of plugin calls a pod, as a meta-plugin makes them; DEL in reverse order."""
    order = list(enumerate(stdins))
    if command == "DEL":
        order.reverse()
    return [
        Job(
            pod=number,
            words=(str(plugins / json.loads(stdin.read_text())["type"]),),
            stdin=str(stdin),
            environment={
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": f"{label}-{number}-%d",
                "CNI_NETNS": path,
                "CNI_IFNAME": IFNAMES[place],
                "CNI_PATH": str(plugins),
                "CNI_ARGS": "IgnoreUnknown=1",
            },
        )
        for number, path in enumerate(paths)
        for place, stdin in order
    ]


def _arguments(number: int) -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME=pod{number}"
