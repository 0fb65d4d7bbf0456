"""What a watch tells is kept; what changes nothing that is kept tells nobody."""

from __future__ import annotations

import json

import pytest

from polypod.errors import DecodeError
from polypod.kube.kept import Kept
from polypod.kube.objects import pod_size, read_pod, read_pod_change
from polypod.kube.pods import Pod

NETWORKS = "k8s.v1.cni.cncf.io/networks"


def line(type_: str, version: str = "7", **annotations: str) -> bytes:
    notes = {key.replace("networks", NETWORKS): value for key, value in annotations.items()}
    metadata = {"namespace": "ns", "name": "a", "resourceVersion": version, "annotations": notes}
    return json.dumps({"type": type_, "object": {"metadata": metadata}}).encode()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def kept(told: list[str]) -> Kept[Pod]:
    """Keep pods, and note each time that somebody is told of a change."""
    made = Kept(read_pod, read_pod_change, pod_size)
    made.on_change = lambda: told.append("change")
    return made


def test_a_change_is_kept_and_told(kept: Kept[Pod], told: list[str]) -> None:
    assert kept.hear(line("ADDED", "7", networks="x")) == "7"
    assert kept.hear(line("MODIFIED", "8", networks="y")) == "8"

    found = kept.get("ns", "a")
    assert found is not None and found.annotations == {NETWORKS: "y"}
    assert told == ["change"] * 2


def test_a_change_of_what_nobody_asks_for_tells_nobody(kept: Kept[Pod], told: list[str]) -> None:
    kept.hear(line("ADDED", networks="x", other="1"))
    size = kept.size_bytes

    assert kept.hear(line("MODIFIED", "9", networks="x", other="2")) == "9"

    assert told == ["change"]
    assert kept.size_bytes == size


def test_what_is_deleted_is_forgotten(kept: Kept[Pod], told: list[str]) -> None:
    kept.hear(line("ADDED", networks="x"))

    assert kept.hear(line("DELETED", "9", networks="x")) == "9"

    assert kept.all() == ()
    assert kept.size_bytes == 0
    assert told == ["change"] * 2


def test_what_is_no_change_is_not_taken(kept: Kept[Pod]) -> None:
    assert kept.hear(line("BOOKMARK")) is None
    assert kept.hear(line("ERROR")) is None
    assert kept.all() == ()


def test_an_object_of_other_types_is_an_error(kept: Kept[Pod]) -> None:
    with pytest.raises(DecodeError, match="an object is not readable"):
        kept.hear(b'{"type":"ADDED","object":{"metadata":{"name":7}}}')
