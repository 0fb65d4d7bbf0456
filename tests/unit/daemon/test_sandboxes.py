"""A sandbox has ended when its file is gone, and only where such files are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from polypod.daemon import sandboxes
from polypod.install import agent
from polypod.plan.record import Record


def record(netns: str) -> Record:
    return Record(container_id="c", network="n", ifname="eth0", netns=netns)


@pytest.mark.parametrize("before", ["", "/var"])
def test_a_sandbox_has_ended_when_its_file_is_gone(tmp_path: Path, before: str) -> None:
    (tmp_path / "there").touch()

    has_ended = sandboxes.ended(tmp_path)

    assert has_ended(record(f"{before}{tmp_path}/gone"))
    assert not has_ended(record(f"{before}{tmp_path}/there"))


@pytest.mark.parametrize("netns", ["", "/proc/12/ns/net", "/elsewhere/gone"])
def test_of_namespaces_elsewhere_nothing_is_known(tmp_path: Path, netns: str) -> None:
    (tmp_path / "there").touch()

    assert not sandboxes.ended(tmp_path)(record(netns))


def test_an_empty_or_absent_folder_tells_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert not sandboxes.ended(folder)(record(f"{folder}/gone"))


def test_a_container_sees_the_folder_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "there").touch()

    has_ended = sandboxes.ended(mounted=tmp_path)

    assert has_ended(record("/run/netns/gone"))
    assert not has_ended(record("/var/run/netns/there"))


def test_the_agent_looks_where_its_manifests_mount_the_folder() -> None:
    assert str(sandboxes.FOLDER) == agent.SANDBOXES
    assert str(sandboxes.MOUNTED) == agent.SANDBOXES_SEEN
