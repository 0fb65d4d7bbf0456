"""The pods of examples/, the networks each asks for, and what those need of the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from polypod.engine.resolve import NETWORKS
from polypod.nad import selection

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A definition: its name, and what it needs."""

    name: str
    kind: str
    """Its plugins, in words."""
    needs: frozenset[str]
    is_private: bool
    """Its bridge has no wire to the other node."""
    vlan: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One network of a pod: under which name, and the fixed address and MAC if it asks for one."""

    network: Network
    interface: str
    ip: str = ""
    mac: str = ""
    takes_default_route: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod and the node it is for."""

    name: str
    node: str
    networks: tuple[Wanted, ...] = field(default=())

    @property
    def needs(self) -> frozenset[str]:
        """Return the kernel features it cannot do without."""
        return frozenset[str]().union(*(wanted.network.needs for wanted in self.networks))


def load(folder: Path = EXAMPLES) -> tuple[Pod, ...]:
    """Read every pod of the folder, node by node."""
    objects = list(_objects(folder))
    networks = {
        item["metadata"]["name"]: _network(item)
        for item in objects
        if item["kind"] == "NetworkAttachmentDefinition"
    }
    pods = [_pod(item, networks) for item in objects if item["kind"] == "Pod"]
    return tuple(sorted(pods, key=lambda pod: (pod.node, len(pod.networks), pod.name)))


def _objects(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def _network(item: dict[str, Any]) -> Network:
    config = json.loads(item["spec"]["config"])
    plugins = config.get("plugins", [config])
    needs = {plugin["type"] for plugin in plugins} & {"bridge", "macvlan", "ipvlan"}
    vlan = plugins[0].get("vlan", 0)
    if vlan:
        needs.add("bridge VLAN filtering")
    if '"fd' in item["spec"]["config"]:
        needs.add("IPv6")
    return Network(
        name=item["metadata"]["name"],
        kind=" + ".join(_kind(plugin) for plugin in plugins),
        needs=frozenset(needs),
        is_private=plugins[0]["type"] == "bridge" and not vlan,
        vlan=vlan,
    )


def _kind(plugin: dict[str, Any]) -> str:
    words = [plugin["type"], plugin.get("mode", "")]
    if plugin.get("vlan"):
        words.append(f"VLAN {plugin['vlan']}")
    if plugin.get("bridge") or plugin.get("master"):
        words.append(f"on {plugin.get('bridge') or plugin.get('master')}")
    return " ".join(word for word in words if word)


def _pod(item: dict[str, Any], networks: dict[str, Network]) -> Pod:
    metadata = item["metadata"]
    chosen = selection.parse(metadata["annotations"][NETWORKS], "default")
    return Pod(
        name=metadata["name"],
        node=item["spec"]["nodeSelector"]["kubernetes.io/hostname"],
        networks=tuple(
            Wanted(
                network=networks[each.name],
                interface=each.interface or f"net{place}",
                ip=(each.ips or ("",))[0].partition("/")[0],
                mac=each.mac or "",
                takes_default_route=bool(each.default_route),
            )
            for place, each in enumerate(chosen, start=1)
        ),
    )
