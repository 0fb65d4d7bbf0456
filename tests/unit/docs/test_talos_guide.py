"""Every manifest of the Talos guide is an example file or a command's output, and is checked."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import schema, talos

from polypod.cli import people
from polypod.cni import fields
from polypod.install import extras, talos_forms, talos_releases, talos_settings
from polypod.install.crd import crd
from polypod.install.talos_releases import RELEASES

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "howto" / "talos.md"
EXAMPLES = ROOT / "examples" / "talos"
CRD: Any = crd()
DEFINITION = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SETTINGS = "links.yaml, for talos-config -f"
_fence = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_releases = re.compile(r"Talos ([\d.]+)(?: to ([\d.]+))?")


@dataclass(frozen=True)
class Block:
    """A block of the guide, and the command that stands before it."""

    language: str
    title: str
    text: str
    before: str


def blocks() -> Iterator[Block]:
    before = ""
    for language, title, text in _fence.findall(GUIDE.read_text(encoding="utf-8")):
        yield Block(language, title, text, before)
        before = text if language == "sh" else ""


MANIFESTS = [block for block in blocks() if block.language == "yaml"]
FILES = sorted(EXAMPLES.glob("*.yaml"))


def objects(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def config_of(definition: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(definition["spec"]["config"])
    return found


NETWORKS = {
    thing["metadata"]["name"]: config_of(thing)
    for path in FILES
    for thing in objects(path)
    if thing["kind"] == "NetworkAttachmentDefinition"
}


def releases(title: str) -> list[str]:
    """Return the releases that a title speaks of."""
    found = _releases.fullmatch(title)
    if found is None:
        return []
    names = [str(known) for known in RELEASES]
    first, last = found[1], found[2] or found[1]
    return names[names.index(first) : names.index(last) + 1]


def test_every_manifest_has_a_title_that_says_where_it_is_from() -> None:
    unknown = [
        block.title
        for block in MANIFESTS
        if not (
            releases(block.title)
            or (ROOT / block.title).is_file()
            or block.title in {"beside/cilium-values.yaml", SETTINGS}
        )
    ]

    assert len(MANIFESTS) >= 10 and unknown == []


def test_every_file_is_shown_whole() -> None:
    shown = {block.title: block.text for block in MANIFESTS}

    assert {str(path.relative_to(ROOT)) for path in FILES} == {
        title for title in shown if title.startswith("examples/")
    }
    for path in FILES:
        assert shown[str(path.relative_to(ROOT))] == path.read_text(encoding="utf-8")


def test_the_values_for_cilium_are_those_that_are_written() -> None:
    (shown,) = [block.text for block in MANIFESTS if block.title == "beside/cilium-values.yaml"]

    assert shown == extras.files("talos", "cilium")["cilium-values.yaml"]


def test_what_a_command_prints_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [block for block in MANIFESTS if block.before.startswith("polypod install talos-")]

    for block in shown:
        words = shlex.split(block.before.replace("\\\n", " "))
        assert people.main(words[1:]) == 0
        assert capsys.readouterr().out == block.text
    assert len(shown) >= 3


def test_the_releases_that_a_title_names_read_the_block() -> None:
    seen: set[str] = set()
    for block in MANIFESTS:
        for release in releases(block.title):
            seen.add(release)
            for document in yaml.safe_load_all(block.text):
                assert talos.faults(document, release) == [], block.title

    assert seen == set(talos.SCHEMA_OF)


@pytest.mark.parametrize("release", sorted(talos.SCHEMA_OF))
def test_the_file_of_links_can_be_said_to_every_release(release: str) -> None:
    (block,) = [block for block in MANIFESTS if block.title == SETTINGS]

    settings = talos_settings.parse(block.text.encode())
    talos_settings.check(settings)
    found = talos_forms.documents(settings, talos_releases.release(release))

    assert [fault for document in found for fault in talos.faults(document, release)] == []
    assert settings.links and settings.bonds and settings.vlans and settings.bridges


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_definition_fits_the_crd_and_names_itself(name: str) -> None:
    (definition,) = [
        thing
        for path in FILES
        for thing in objects(path)
        if thing["kind"] == "NetworkAttachmentDefinition" and thing["metadata"]["name"] == name
    ]

    assert schema.faults(definition, DEFINITION, {}) == []
    assert NETWORKS[name]["name"] == name
    assert fields.get(NETWORKS[name], "cniVersion") == "1.0.0"


def test_every_network_that_is_asked_for_is_defined() -> None:
    asked: set[str] = set()
    for path in FILES:
        for thing in objects(path):
            template = thing.get("spec", {}).get("template", {}) if "spec" in thing else {}
            for part in (thing, template):
                text = (
                    part.get("metadata", {})
                    .get("annotations", {})
                    .get("k8s.v1.cni.cncf.io/networks", "")
                )
                if text.startswith("["):
                    asked |= {entry["name"] for entry in json.loads(text)}
                elif text:
                    asked |= set(text.split(","))

    assert asked and asked <= NETWORKS.keys()


def test_a_virtual_machine_is_on_a_bridge_that_leaves_its_mac_alone() -> None:
    (machine,) = [
        thing
        for thing in objects(EXAMPLES / "virtual-machine.yaml")
        if thing["kind"] == "VirtualMachine"
    ]
    spec = machine["spec"]["template"]["spec"]
    devices = spec["domain"]["devices"]
    interfaces = {entry["name"]: entry for entry in devices["interfaces"]}
    networks = {entry["name"]: entry for entry in spec["networks"]}

    assert machine["apiVersion"] == "kubevirt.io/v1"
    assert interfaces.keys() == networks.keys()
    assert {entry["name"] for entry in devices["disks"]} == {
        entry["name"] for entry in spec["volumes"]
    }
    for name, entry in networks.items():
        if "multus" in entry:
            config = NETWORKS[entry["multus"]["networkName"]]
            assert "bridge" in interfaces[name]
            assert config["type"] == "bridge"
            assert config["disableContainerInterface"] is True and "ipam" not in config
        else:
            assert "masquerade" in interfaces[name]


def test_the_bridges_of_the_networks_are_those_that_talos_makes() -> None:
    made = {
        document["name"]
        for block in MANIFESTS
        for document in yaml.safe_load_all(block.text)
        if document.get("kind") == "BridgeConfig"
    }

    assert {c["bridge"] for c in NETWORKS.values() if c["type"] == "bridge"} == made
