"""No network names a path of the host outside the folders that are for networks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from tests.unit.security.hostile import GOOD, made

from polypod.engine import attach
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError
from polypod.store.backups import BackupFiles
from polypod.store.leases import LeaseFiles
from polypod.testing.node import Node


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    return folder


@pytest.fixture
def node() -> Node:
    return made()


@pytest.fixture
def doors(node: Node, allowed: Path) -> Doors:
    """Return doors whose leases and backups are real files."""
    return dataclasses.replace(
        node.doors(),
        pools=LeaseFiles(default=allowed / "networks", roots=(allowed,)),
        backups=BackupFiles(roots=(allowed,)),
    )


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def ways(outside: Path, allowed: Path) -> dict[str, str]:
    """Return spellings of a folder outside, one of them by a link that lies inside."""
    link = allowed / "link"
    link.symlink_to(outside)
    return {
        "absolute": str(outside),
        "up": f"{allowed}/../{outside.name}",
        "by a link": str(link),
        "by a link and down": f"{link}/below",
        "relative": f"../{outside.name}",
        "with a null byte": f"{allowed}\0/../{outside.name}",
        "etc": "/etc/cni",
        "proc": "/proc/self/root/etc",
    }


SPELLINGS = (
    *("absolute", "up", "by a link", "by a link and down", "relative"),
    *("with a null byte", "etc", "proc"),
)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("key", ["dataDir", "resolvConf"])
def test_an_address_pool_stays_where_pools_are(
    key: str, spelling: str, node: Node, doors: Doors, tmp_path: Path, allowed: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "resolv.conf").write_text("nameserver 6.6.6.6\n")
    place = ways(outside, allowed)[spelling]
    told = place if key == "dataDir" else f"{place}/resolv.conf"
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.8.0.0/24"}]], key: told}
    node.source.add_definition("test", "bad", json.dumps({**GOOD, "name": "bad", "ipam": ipam}))
    pod = node.add_pod("test", "p", networks="bad", uid="u1")
    before = everything(outside)

    with pytest.raises(PolypodError) as refused:
        attach.attach(pod.request("ADD"), Caller(), doors)

    assert refused.value.slug in {"decode", "invalid-config", "storage"}
    assert everything(outside) == before
    assert "6.6.6.6" not in refused.value.cause
    assert "net1" not in node.world.sandboxes[pod.netns].links
    assert node.events.told[-1].is_warning


@pytest.mark.parametrize("name", ["../outside", "..", ".", "a/b", "/etc", "a\0b"])
def test_a_networks_name_is_no_way_out_of_the_pools(
    name: str, node: Node, doors: Doors, tmp_path: Path
) -> None:
    node.source.add_definition("test", "bad", json.dumps({**GOOD, "name": name}))
    pod = node.add_pod("test", "p", networks="bad", uid="u1")

    with pytest.raises(PolypodError) as refused:
        attach.attach(pod.request("ADD"), Caller(), doors)

    assert refused.value.slug in {"invalid-config", "plugin"}
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_backup_stays_where_backups_are(
    spelling: str, node: Node, doors: Doors, tmp_path: Path, allowed: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place = ways(outside, allowed)[spelling]
    plugins = [GOOD, {"type": "tuning", "mtu": 1400, "dataDir": place}]
    config = {"cniVersion": "1.0.0", "name": "bad", "plugins": plugins}
    node.source.add_definition("test", "bad", json.dumps(config))
    pod = node.add_pod("test", "p", networks="bad", uid="u1")

    with pytest.raises(PolypodError) as refused:
        attach.attach(pod.request("ADD"), Caller(), doors)

    assert refused.value.slug in {"decode", "invalid-config", "storage"}
    assert everything(outside) == set()
    assert "net1" not in node.world.sandboxes[pod.netns].links


def test_sysctls_stay_below_net(node: Node) -> None:
    keys = ["kernel.core_pattern", "../kernel/core_pattern", "net/../../etc/passwd", "net.ipv4.x"]
    for key in keys:
        plugins = [GOOD, {"type": "tuning", "sysctl": {key: "1"}}]
        config = {"cniVersion": "1.0.0", "name": "bad", "plugins": plugins}
        node.source.add_definition("test", "bad", json.dumps(config))
        pod = node.add_pod("test", "p", networks="bad")
        try:
            node.add(pod)
        except PolypodError:
            continue
        node.delete(pod)

    written = {key for space in node.world.spaces() for key in space.sysctls}
    assert all(key.startswith("net/") and ".." not in key for key in written)
