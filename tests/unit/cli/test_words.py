"""The words of a command line: pods, namespaces and networks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from polypod.cli import target, wanted
from polypod.engine.by_hand import KEY
from polypod.errors import InvalidConfigError, InvalidNetnsError, PolypodError, StorageError

CONFIG = '{"cniVersion": "1.0.0", "name": "mine", "type": "bridge"}'
DEFINITION = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan}
spec: {config: '{"type": "macvlan"}'}
---
apiVersion: v1
kind: Pod
metadata:
  name: hub
  annotations: {k8s.v1.cni.cncf.io/networks: "lan, elsewhere"}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "all.yaml").write_text(DEFINITION)
    return folder


@pytest.mark.parametrize(
    ("word", "expected"),
    [("hub", ("default", "hub")), ("shop/web", ("shop", "web"))],
)
def test_a_pod_is_in_the_default_namespace_unless_it_says(
    word: str, expected: tuple[str, str]
) -> None:
    assert target.pod(word) == expected


def test_a_namespace_is_a_path_a_name_or_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "NAMED", tmp_path)
    for name in ("blue", "77"):
        (tmp_path / name).touch()

    own = str(os.getpid())
    found = [target.netns(word) for word in ("/proc/self/ns/net", "blue", own, "77")]

    named = {name: str(tmp_path / name) for name in ("blue", "77")}
    assert found == ["/proc/self/ns/net", named["blue"], f"/proc/{own}/ns/net", named["77"]]


def test_a_namespace_that_is_not_there_is_refused_unless_it_may_be_gone() -> None:
    with pytest.raises(InvalidNetnsError, match="there is no network namespace no-such"):
        target.netns("no-such")

    with pytest.raises(InvalidNetnsError, match="network namespace"):
        target.netns("/a\0b")
    assert target.netns("no-such", must_exist=False) == "/run/netns/no-such"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("lan",), [{"name": "lan", "namespace": "default"}]),
        (("shop/lan@l0",), [{"name": "lan", "namespace": "shop", "interface": "l0"}]),
        (("a,b", "c"), [{"name": n, "namespace": "default"} for n in "abc"]),
        (('{"name": "lan", "ips": ["10.0.0.1"]}',), [{"name": "lan", "ips": ["10.0.0.1"]}]),
        (('[{"name": "a"}]', "b"), [{"name": "a"}, {"name": "b", "namespace": "default"}]),
    ],
    ids=["name", "all parts", "several", "object", "list and name"],
)
def test_networks_are_given_in_any_of_the_annotations_forms(
    words: tuple[str, ...], expected: list[object]
) -> None:
    assert wanted.of_networks(words, None).elements == expected


@pytest.mark.parametrize("word", ["a b", "", '{"name": 1}', "{", "/", '[{"name": "a"}, 7]'])
def test_a_malformed_network_is_refused_in_one_line(word: str) -> None:
    with pytest.raises(PolypodError) as raised:
        wanted.of_networks((word,), None)

    assert "\n" not in raised.value.cause


def test_a_file_is_brought_along_as_a_definition_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "10-My Net.conf"
    path.write_text(CONFIG)

    found = wanted.of_networks((f"{path}@n5",), None)

    assert found.elements == [{"name": "10-my-net", "namespace": "file", "interface": "n5"}]
    assert found.definitions == [{"name": "10-my-net", "namespace": "file", "config": CONFIG}]


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, StorageError), (b"\xff", InvalidConfigError), (b"{}", InvalidConfigError)],
    ids=["absent", "no text", "no configuration"],
)
def test_a_file_that_is_no_configuration_is_named(
    tmp_path: Path, content: bytes | None, error: type[PolypodError]
) -> None:
    path = tmp_path / "net.conflist"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(error, match=r"net\.conflist"):
        wanted.of_networks((str(path),), None)


def test_definitions_of_the_folder_come_along_and_others_are_left_to_the_node(
    manifests: Path,
) -> None:
    found = wanted.of_networks(("lan", "elsewhere"), manifests)

    assert [entry["name"] for entry in found.definitions] == ["lan"]


def test_a_pod_comes_along_with_its_definitions(manifests: Path) -> None:
    found = wanted.of_pod("default", "hub", manifests)

    given = json.loads(found.stdin())[KEY]
    assert [pod["name"] for pod in given["pods"]] == ["hub"]
    assert [entry["name"] for entry in given["definitions"]] == ["lan"]
    assert "networks" not in given


@pytest.mark.parametrize("name", ["hub", "nobody"])
def test_a_pod_that_no_folder_describes_is_left_to_the_node(manifests: Path, name: str) -> None:
    folder = manifests if name == "nobody" else None

    assert wanted.of_pod("default", name, folder).pods == []
