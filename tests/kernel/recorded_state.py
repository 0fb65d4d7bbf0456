"""What two namespaces and a folder look like, in the form the recordings keep it.

Names and MACs that are random are told by what they are; what the kernel makes of its own accord
(local routes, link-local addresses) is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.conformance.cni_world import HOST, SANDBOX, World

_FLAGS = ("ALLMULTI", "PROMISC", "UP")


def blur(text: str) -> str:
    """Replace what is random by what it is."""
    text = re.sub(r"veth[0-9a-f]{8}", "VETH", text)
    text = re.sub(r"<veth\d+>", "VETH", text)
    text = re.sub(r"<mac\d+>", "MAC", text)
    text = re.sub(r"(FS magic on \S+: )[0-9a-f]+", r"\1MAGIC", text)
    return re.sub(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC", text)


def condensed(raw: dict[str, Any]) -> dict[str, Any]:
    """Return one namespace, from what `ip`, `bridge`, `nft` and sysctls show of it."""
    routes = [
        _route(one)
        for family in ("ip -j -d route show table all", "ip -6 -j -d route show table all")
        for one in raw.get(family, [])
        if one.get("table", "main") != "local" and not one["dst"].startswith(("fe80", "ff00"))
    ]
    found = {
        "links": sorted(_link(one) for one in raw.get("ip -j -d addr", [])),
        "routes": sorted(routes),
        "ports": sorted(
            blur(f"{one['ifname']} hairpin={one['hairpin']} isolated={one['isolated']}")
            for one in raw.get("bridge -j -d link", [])
            if "master" in one
        ),
        "nft": blur(raw.get("nft list ruleset") or "").strip(),
        "sysctl": raw.get("sysctl", {}),
    }
    return {key: value for key, value in found.items() if value}


def _link(one: dict[str, Any]) -> str:
    info = one.get("linkinfo", {})
    mode = info.get("info_data", {}).get("mode", "")
    flags = [flag for flag in _FLAGS if flag in one["flags"]]
    addresses = sorted(
        f"{address['local']}/{address['prefixlen']}"
        for address in one["addr_info"]
        if address["scope"] != "link"
    )
    words = [
        one["ifname"],
        info.get("info_kind", ""),
        mode,
        *flags,
        f"mtu={one['mtu']}",
        *([] if _is_host_end(one) else [f"txqlen={one.get('txqlen', 0)}"]),
        f"master={one.get('master', '')}",
        *addresses,
    ]
    return blur(" ".join(word for word in words if word))


def _is_host_end(one: dict[str, Any]) -> bool:
    """Tell whether it is the host's end of a pair, which the reference gives no queue length."""
    return bool(re.fullmatch(r"veth[0-9a-f]{8}", one["ifname"]))


def _route(one: dict[str, Any]) -> str:
    keys = ("gateway", "dev", "metric", "scope", "prefsrc", "table", "protocol")
    hops = [f"hop {hop['gateway']}" for hop in one.get("nexthops", [])]
    words = [one["dst"], *(f"{key}={one[key]}" for key in keys if key in one), *hops]
    return blur(" ".join(words))


def seen(world: World, wanted: dict[str, Any]) -> dict[str, Any]:
    """Look at our own namespaces and files, at whatever the recording has of them."""
    return {
        "host": condensed(_raw(world, HOST, wanted["host"])),
        "container": condensed(_raw(world, SANDBOX, wanted["container"])),
        "files": files(world.data),
    }


def _raw(world: World, where: str, wanted: dict[str, Any]) -> dict[str, Any]:
    if not Path("/run/netns", where).exists():
        return {}
    return {
        "ip -j -d addr": world.ip("address show", where),
        "ip -j -d route show table all": world.ip("route show table all", where),
        "ip -6 -j -d route show table all": world.ip("-6 route show table all", where),
        "bridge -j -d link": json.loads(world.sh("bridge -j -d link", where) or "[]"),
        "nft list ruleset": world.sh("nft list ruleset", where) if "nft" in wanted else "",
        "sysctl": {
            key: world.sysctl(key, where) or None for key in sorted(wanted.get("sysctl", {}))
        },
    }


def files(folder: Path) -> dict[str, str]:
    """Return the files of a folder with mode and content."""
    return {
        str(path.relative_to(folder)): f"{path.stat().st_mode & 0o777:o} {path.read_bytes()!r}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "resolv.conf"
    }
