"""`polypod install talos-config`: short options and a file say the same."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import talos
from tests.unit.cli.conftest import SmallCluster

from polypod.cli import people


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = people.main(["install", "talos-config", *words])
    out, err = capsys.readouterr()
    return code, out, err


def rendered(capsys: pytest.CaptureFixture[str], *words: str) -> list[Any]:
    code, out, err = run(capsys, *words)
    assert code == 0, err
    return list(yaml.safe_load_all(out))


@pytest.mark.parametrize("release", sorted(talos.SCHEMA_OF))
def test_options_and_file_say_the_same(
    release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "links.yaml"
    path.write_text(
        "bonds: {bond0: {links: [a, b], mode: 802.3ad}}\n"
        "vlans: {bond0.50: {parent: bond0, id: 50}}\n"
        "bridges: {br50: {links: [bond0.50], addresses: [10.0.50.2/24], mtu: 1400}}\n"
        "links: {c: {dhcp: true}}\n"
        "modules: {vrf: []}\n"
        "sysctls: {vm.swappiness: '1'}\n"
    )
    options = [
        *("--bond", "bond0=a,b:802.3ad", "--vlan", "bond0.50", "--bridge", "br50=bond0.50"),
        *("--address", "br50=10.0.50.2/24", "--mtu", "br50=1400", "--address", "c=dhcp"),
        *("--module", "vrf", "--sysctl", "vm.swappiness=1"),
    ]

    by_file = rendered(capsys, "--talos-version", release, "-f", str(path))
    by_options = rendered(capsys, "--talos-version", release, *options)

    assert by_file == by_options
    assert [f for document in by_file for f in talos.faults(document, release)] == []


def test_options_add_to_the_entries_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "links.yaml"
    path.write_text("bridges: {br0: {links: [a], addresses: [10.0.0.2/24]}}\n")

    (found,) = rendered(
        capsys, "--talos-version", "1.13", "-f", str(path), "--address", "br0=fd00::2/64"
    )

    assert [entry["address"] for entry in found["addresses"]] == ["10.0.0.2/24", "fd00::2/64"]


def test_a_manifest_is_read_from_the_other_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"kind: Namespace\n")))

    (found,) = rendered(capsys, "--talos-version", "1.14", "--manifest", "-")

    assert (found["kind"], found["manifest"]) == ("KubeInlineManifestConfig", "kind: Namespace\n")


def test_the_head_says_what_to_look_out_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--bridge", "br0=enp1s0", "--module", "bridge")

    _, out, _ = run(capsys, "--talos-version", "1.13", *words)

    head = [line for line in out.splitlines() if line.startswith("#")]
    assert any("DHCP" in line for line in head)
    assert any("br0 has no address" in line for line in head)
    assert any("bridge is part of the kernel" in line for line in head)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 2, "nothing was asked for"),
        (("--vlan", "enp2s0"), 2, "LINK.ID"),
        (("--bridge", "br0"), 2, "NAME=VALUE"),
        (("--mtu", "a=big"), 2, "number of bytes"),
        (("--bond", "bond0=a,b:fastest"), 1, "fastest"),
        (("--module", "ifb"), 1, "has no module ifb"),
    ],
)
def test_what_is_wrong_is_said(
    words: tuple[str, ...], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(capsys, "--talos-version", "1.13", *words)

    assert (found, out) == (code, "")
    assert text in err


def test_a_link_is_not_said_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "links.yaml"
    path.write_text("bridges: {br0: {links: [a]}}\n")

    code, _, err = run(capsys, "--talos-version", "1.13", "-f", str(path), "--bridge", "br0=b")

    assert code == 1 and "by the file and by an option" in err


def test_the_release_is_read_from_the_nodes(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "--vlan", "enp2s0.50")

    assert code == 0
    assert "kind: VLANConfig" in out
    assert "detected talos-version: 1.13 (1 nodes: Talos (v1.13.2))" in err
    assert len(cluster.asked) == 1


def test_a_release_that_is_said_is_not_asked_for(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "--talos-version", "1.11", "--vlan", "enp2s0.50")

    assert (code, err, cluster.asked) == (0, "", [])
    assert "interfaces:" in out


def test_nodes_without_talos_have_no_release(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.system = "Debian GNU/Linux 12"

    code, out, err = run(capsys, "--vlan", "enp2s0.50")

    assert (code, out) == (1, "")
    assert "1 of Debian GNU/Linux 12" in err and "--talos-version" in err


def test_a_release_that_nobody_says_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    code, out, err = run(capsys, "--vlan", "enp2s0.50")

    assert (code, out) == (1, "")
    assert "--talos-version" in err


def test_an_unknown_release_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--talos-version", "1.20", "--vlan", "a.5")

    assert (code, out) == (1, "")
    assert "1.9 to 1.14" in err
