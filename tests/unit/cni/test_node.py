"""Whose file in the node's folder is the primary's, and what ours says."""

from __future__ import annotations

import json

import pytest

from polypod.cni import lists, node


def conf(name: str, *types: str, **more: object) -> bytes:
    plugins = [{"type": type_, **more} for type_ in types]
    return json.dumps({"cniVersion": "0.4.0", "name": name, "plugins": plugins}).encode()


def test_the_first_usable_file_is_the_primary() -> None:
    files = {
        "20-late.conflist": conf("late", "bridge"),
        "10-early.conflist": conf("early", "bridge"),
        "05-broken.conflist": b"{",
        "04-empty.conflist": b"",
        "03-notes.txt": conf("notes", "bridge"),
        "02-meta.conf": conf("meta", "multus-shim"),
        "01-single.conf": b'{"type":"multus","name":"x"}',
        node.OURS: conf("polypod", "polypod"),
        ".10-hidden.conflist": conf("hidden", "bridge"),
    }

    found = node.choose(files)

    assert found is not None and found[0] == "10-early.conflist" and found[1].name == "early"


def test_without_a_primary_there_is_none() -> None:
    assert node.choose({}) is None
    assert node.choose({node.OURS: conf("polypod", "polypod")}) is None


def test_ours_keeps_version_and_capabilities_of_the_primary() -> None:
    raw = json.dumps(
        {
            "cniVersion": "0.3.1",
            "name": "cbr0",
            "plugins": [
                {"type": "flannel", "capabilities": {"io.kubernetes.cri.pod-annotations": True}},
                {"type": "portmap", "capabilities": {"portMappings": True, "off": False}},
            ],
        }
    ).encode()

    ours = json.loads(node.render(lists.parse_list(raw)))

    assert ours == {
        "cniVersion": "0.3.1",
        "name": "polypod",
        "plugins": [
            {
                "type": "polypod",
                "capabilities": {"io.kubernetes.cri.pod-annotations": True, "portMappings": True},
            }
        ],
    }


@pytest.mark.parametrize(
    ("name", "is_stolen"),
    [("00-polypod.conflist.cilium_bak", True), ("00-polypod.conflist", False), ("x", False)],
)
def test_a_file_put_aside_is_seen(name: str, is_stolen: bool) -> None:  # noqa: FBT001 - a table
    assert bool(node.stolen({name: b""})) is is_stolen


def test_ours_sorts_before_every_known_primary() -> None:
    known = ("01-kube-ovn.conflist", "05-cilium.conflist", "10-flannel.conflist", "00-zzz.conf")

    assert all(name > node.OURS for name in known)
