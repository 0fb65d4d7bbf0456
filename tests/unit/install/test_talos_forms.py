"""Links in the words of each release of Talos, checked against what that release reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests import talos

from polypod.errors import InvalidConfigError, UnsupportedError
from polypod.install import render, talos_forms, talos_settings
from polypod.install.talos_releases import BUILT_IN, RELEASES, Release, has_to_be_loaded, release

EVERYTHING = """
links:
  enp1s0: {dhcp: true}
  enp9s0: {addresses: [10.9.0.2/24], mtu: 9000}
bonds:
  bond0:
    links: [enp2s0, enp3s0]
    mode: 802.3ad
    lacpRate: fast
    xmitHashPolicy: layer3+4
    mtu: 9000
vlans:
  bond0.50: {parent: bond0, id: 50}
  bond0.60: {parent: bond0, id: 60, addresses: [10.60.0.2/24, "fd00:60::2/64"]}
  enp4s0.7: {parent: enp4s0, id: 7, dhcp: true}
bridges:
  br50: {links: [bond0.50]}
  br0:
    links: [enp5s0]
    stp: true
    filtering: true
    addresses: [192.168.1.10/24]
    routes: [{via: 192.168.1.1}, {to: 10.0.0.0/8, via: 192.168.1.2, metric: 100}]
modules: {vrf: [], vfio_pci: ["ids=8086:1572"], bridge: []}
sysctls: {net.ipv4.conf.all.rp_filter: "0"}
"""
NAMES = [str(known) for known in RELEASES]


def made(text: str, name: str, manifest: str = "") -> list[Any]:
    """Render as the command does, and read what came out."""
    settings = talos_settings.parse(text.encode())
    talos_settings.check(settings)
    found = talos_forms.documents(settings, release(name), manifest)
    return list(yaml.safe_load_all(render.text(found)))


def named(documents: list[Any], kind: str, name: str) -> Any:
    (found,) = [d for d in documents if d.get("kind") == kind and d.get("name") == name]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_release_reads_what_is_rendered_for_it(name: str) -> None:
    documents = made(EVERYTHING, name, manifest="kind: Namespace\nmetadata: {name: x}\n")

    assert [fault for document in documents for fault in talos.faults(document, name)] == []


def test_every_schema_is_used() -> None:
    assert set(talos.SCHEMA_OF) == set(NAMES)
    assert {path.stem for path in talos.FOLDER.glob("*.json")} == set(talos.SCHEMA_OF.values())


@pytest.mark.parametrize(
    ("document", "release_"),
    [
        ({"apiVersion": "v1alpha1", "kind": "BridgeConfig", "name": "br0", "links": []}, "1.11"),
        ({"machine": {"network": {"interfaces": []}}}, "1.12"),
        ({"machine": {"kernel": {"modules": [{"name": "vrf"}]}}}, "1.14"),
        (
            {
                "apiVersion": "v1alpha1",
                "kind": "BridgeConfig",
                "name": "br0",
                "links": [],
                "addresses": ["172.16.1.60/24"],
            },
            "1.13",
        ),
        ({"apiVersion": "v1alpha1", "kind": "VLANConfig", "name": "a.5", "vlanID": 5}, "1.13"),
    ],
    ids=["no document yet", "no longer there", "moved", "a bare address", "no parent"],
)
def test_the_schemas_tell_the_releases_apart(document: dict[str, Any], release_: str) -> None:
    assert talos.faults(document, release_)


@pytest.mark.parametrize("name", ["1.9", "1.10", "1.11"])
def test_until_1_11_links_lie_below_machine_network(name: str) -> None:
    (found,) = made(EVERYTHING, name)

    links = {entry["interface"]: entry for entry in found["machine"]["network"]["interfaces"]}
    assert links["enp1s0"] == {"interface": "enp1s0", "dhcp": True}
    assert [vlan["vlanId"] for vlan in links["bond0"]["vlans"]] == [50, 60]
    assert links["bond0"]["bond"]["mode"] == "802.3ad"
    assert links["enp4s0"]["vlans"] == [{"vlanId": 7, "dhcp": True}]
    assert links["br50"]["bridge"]["interfaces"] == ["bond0.50"]
    assert links["br0"]["bridge"]["vlan"] == {"vlanFiltering": True}
    assert links["br0"]["routes"][0] == {"network": "0.0.0.0/0", "gateway": "192.168.1.1"}


@pytest.mark.parametrize("name", ["1.12", "1.13", "1.14"])
def test_since_1_12_a_link_is_a_document(name: str) -> None:
    found = made(EVERYTHING, name)

    assert named(found, "BridgeConfig", "br50")["links"] == ["bond0.50"]
    assert named(found, "BridgeConfig", "br0")["addresses"] == [{"address": "192.168.1.10/24"}]
    assert named(found, "BridgeConfig", "br0")["routes"][0] == {"gateway": "192.168.1.1"}
    assert named(found, "VLANConfig", "bond0.60")["parent"] == "bond0"
    assert named(found, "BondConfig", "bond0")["bondMode"] == "802.3ad"
    assert named(found, "DHCPv4Config", "enp1s0")
    assert not [d for d in found if d.get("kind") == "LinkConfig" and d["name"] == "enp1s0"]
    assert "network" not in found[0].get("machine", {})


def test_modules_and_sysctls_are_documents_since_1_14() -> None:
    before, after = made(EVERYTHING, "1.13"), made(EVERYTHING, "1.14")

    assert before[0]["machine"]["kernel"]["modules"][0] == {"name": "vrf"}
    assert before[0]["machine"]["sysctls"] == {"net.ipv4.conf.all.rp_filter": "0"}
    assert named(after, "KernelModuleConfig", "vfio_pci")["parameters"] == ["ids=8086:1572"]
    assert [d["params"] for d in after if d.get("kind") == "SysctlConfig"] == [
        {"net.ipv4.conf.all.rp_filter": "0"}
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_comes_along_whole(name: str) -> None:
    text = "# x\nkind: Namespace\n"

    (found,) = made("{}", name, manifest=text)

    old = found.get("cluster", {}).get("inlineManifests", [{}])[0].get("contents")
    assert text in {old, found.get("manifest")}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_built_in_is_not_loaded(name: str) -> None:
    for module in BUILT_IN:
        assert not has_to_be_loaded(module, release(name))
    assert has_to_be_loaded("drbd", release(name))


def test_a_module_that_a_kernel_lacks_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"Talos 1\.13 has no module ifb"):
        made("modules: {ifb: []}", "1.13")
    with pytest.raises(UnsupportedError, match="ipvtap"):
        made("modules: {ipvtap: []}", "1.14")
    assert named(made("modules: {ifb: []}", "1.14"), "KernelModuleConfig", "ifb")


def test_a_vlan_has_its_usual_name_before_1_12() -> None:
    text = "vlans: {storage: {parent: enp2s0, id: 50}}"

    with pytest.raises(InvalidConfigError, match=r"enp2s0\.50, not storage"):
        made(text, "1.11")
    assert named(made(text, "1.12"), "VLANConfig", "storage")["vlanID"] == 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.13", (1, 13)), ("v1.13.2", (1, 13)), ("1.9", (1, 9)), (" v1.14.0-rc.1 ", (1, 14))],
)
def test_a_version_is_read_as_talosctl_writes_it(text: str, expected: tuple[int, int]) -> None:
    assert release(text) == Release(*expected)


@pytest.mark.parametrize("text", ["1.8", "1.15", "v2.0", "latest", "", "1.13; rm", "1"])
def test_another_version_is_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        release(text)

    assert "1.9 to 1.14" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("bridges: {br0: {links: [a]}, br1: {links: [a]}}", "port of br0 and of br1"),
        ("links: {a: {dhcp: true}}\nbridges: {br0: {links: [a]}}", "has an address and is a port"),
        ("links: {a: {}}\nbonds: {a: {links: [b, c]}}", "described twice"),
        ("vlans: {a.5000: {parent: a, id: 5000}}", "5000 is no VLAN"),
        ("links: {enx0123456789ab.100: {}}", "no name of a link"),
        ("links: {'a b': {}}", "no name of a link"),
        ("links: {a: {addresses: [10.0.0.1]}}", "no prefix length"),
        ("links: {a: {addresses: [10.0.0.300/24]}}", "10.0.0.300"),
        ("links: {a: {routes: [{via: nowhere}]}}", "nowhere"),
        ("bonds: {bond0: {links: [a], mode: fastest}}", "fastest"),
        ("bridges: {br0: {ports: [a]}}", "unknown field `ports`"),
        ("bridge: {br0: {}}", "unknown field `bridge`"),
        ("vlans: {a.5: {id: 5}}", "parent"),
        ("[1]", "links cannot be used"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_name(text: str, cause: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        made(text, "1.13")

    assert cause in caught.value.cause
