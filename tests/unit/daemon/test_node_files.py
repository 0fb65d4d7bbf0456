"""The node's CNI folder while a daemon serves, and after it has gone for good."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polypod.cni import lists, node
from polypod.daemon.node_files import NodeFiles
from polypod.store.conf_folder import Changes, ConfFolder

PRIMARY = "10-primary.conflist"


def write_primary(folder: Path, name: str = "primary", **capabilities: bool) -> None:
    plugin = {"type": "bridge", "capabilities": capabilities}
    content = {"cniVersion": "1.0.0", "name": name, "plugins": [plugin]}
    fresh = folder / ".fresh"
    fresh.write_text(json.dumps(content))
    fresh.rename(folder / PRIMARY)


def soon(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until, "did not come about in time"
        time.sleep(0.01)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def files(tmp_path: Path, told: list[str]) -> NodeFiles:
    return NodeFiles(
        place_shim=lambda: told.append("placed"),
        remove_shim=lambda: told.append("removed"),
        forget=lambda: told.append("forgotten"),
        folder=tmp_path,
        conf=ConfFolder(tmp_path),
        on_theft=told.append,
    )


def capabilities(folder: Path) -> object:
    try:
        return json.loads((folder / node.OURS).read_text())["plugins"][0].get("capabilities")
    except FileNotFoundError:
        return None


def test_without_a_primary_nothing_is_written(files: NodeFiles, tmp_path: Path) -> None:
    files.look()

    assert list(tmp_path.iterdir()) == []


def test_ours_follows_the_primary(files: NodeFiles, tmp_path: Path) -> None:
    write_primary(tmp_path, portMappings=True)
    files.start()
    soon(lambda: capabilities(tmp_path) == {"portMappings": True})

    write_primary(tmp_path, portMappings=True, bandwidth=True)

    soon(lambda: capabilities(tmp_path) == {"bandwidth": True, "portMappings": True})
    files.stop()
    assert (tmp_path / node.OURS).exists()


def test_ours_comes_back_when_it_is_deleted_or_emptied(files: NodeFiles, tmp_path: Path) -> None:
    write_primary(tmp_path, a=True)
    files.start()
    soon(lambda: capabilities(tmp_path) == {"a": True})

    (tmp_path / node.OURS).unlink()
    soon((tmp_path / node.OURS).exists)
    (tmp_path / node.OURS).write_text("")

    soon(lambda: (tmp_path / node.OURS).stat().st_size > 0)
    files.stop()


def test_a_rename_is_told_and_repaired(files: NodeFiles, tmp_path: Path, told: list[str]) -> None:
    write_primary(tmp_path, a=True)
    files.start()
    soon(lambda: capabilities(tmp_path) == {"a": True})

    (tmp_path / node.OURS).rename(tmp_path / f"{node.OURS}.cilium_bak")

    soon(lambda: told == [f"{node.OURS}.cilium_bak"])
    assert files.thefts == 1
    soon(lambda: (tmp_path / node.OURS).exists() and len(list(tmp_path.iterdir())) == 2)
    files.stop()


def test_a_withdrawal_leaves_the_primary_alone(
    files: NodeFiles, tmp_path: Path, told: list[str]
) -> None:
    write_primary(tmp_path)
    files.look()
    (tmp_path / f"{node.OURS}.cilium_bak").write_text("old")

    files.withdraw()

    assert [path.name for path in tmp_path.iterdir()] == [PRIMARY]
    assert told[-2:] == ["forgotten", "removed"]


def test_an_equal_file_is_not_written_again(files: NodeFiles, tmp_path: Path) -> None:
    write_primary(tmp_path)
    files.look()
    before = (tmp_path / node.OURS).stat().st_ino

    files.look()

    assert (tmp_path / node.OURS).stat().st_ino == before


def test_a_link_in_our_place_is_replaced_not_followed(files: NodeFiles, tmp_path: Path) -> None:
    write_primary(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / node.OURS).symlink_to(victim)

    files.look()

    assert victim.read_text() == "keep"
    assert not (tmp_path / node.OURS).is_symlink()


def test_changes_are_told_also_in_a_folder_that_comes_later(tmp_path: Path) -> None:
    folder = tmp_path / "net.d"
    changes = Changes(folder)
    try:
        assert not changes.wait(0.01)
        folder.mkdir()
        assert not changes.wait(0.01)

        (folder / "x").write_text("1")

        assert changes.wait(5)
    finally:
        changes.close()


def test_the_primary_is_read_again_only_when_the_folder_changed(tmp_path: Path) -> None:
    write_primary(tmp_path, "one")
    folder = ConfFolder(tmp_path)
    first = folder.choice()
    assert folder.choice() is first

    write_primary(tmp_path, "two")
    os.utime(tmp_path / PRIMARY, ns=(1, 1))

    second = folder.choice()
    assert second is not None and second[1].name == "two"


def test_nothing_is_written_before_the_primary_is_ready(
    files: NodeFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_primary(tmp_path)
    files.is_ready = (tmp_path / "ready").exists

    files.look()
    files.look()
    before = (tmp_path / node.OURS).exists()
    (tmp_path / "ready").touch()
    files.look()

    assert not before
    assert (tmp_path / node.OURS).exists()
    assert caplog.text.count("the primary network is not ready") == 1


def test_ours_stays_when_the_primary_is_not_ready_any_more(
    files: NodeFiles, tmp_path: Path
) -> None:
    """Pods wait then; without our file they would start without their networks."""
    write_primary(tmp_path)
    files.look()
    files.is_ready = (tmp_path / "ready").exists

    files.look()

    assert (tmp_path / node.OURS).exists()


def test_ours_has_the_capabilities_of_the_primary_that_was_named(
    files: NodeFiles, tmp_path: Path
) -> None:
    write_primary(tmp_path, portMappings=True)
    named = b'{"name":"n","type":"x","cniVersion":"0.4.0","capabilities":{"bandwidth":true}}'
    files.primary = lambda: ("n", lists.parse_list(named))

    files.look()

    assert capabilities(tmp_path) == {"bandwidth": True}
    assert json.loads((tmp_path / node.OURS).read_text())["cniVersion"] == "0.4.0"


def test_ours_has_the_capabilities_of_what_is_chained_to_the_primary(
    files: NodeFiles, tmp_path: Path
) -> None:
    write_primary(tmp_path, portMappings=True)
    (tmp_path / "primary").mkdir()
    chained = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
    (tmp_path / "primary" / "10-a.conf").write_text(json.dumps(chained))

    files.look()

    assert capabilities(tmp_path) == {"bandwidth": True, "portMappings": True}


def test_a_stop_is_heard_at_once(files: NodeFiles, tmp_path: Path) -> None:
    """Another daemon waits for this one's end, and pods for that one."""
    write_primary(tmp_path)
    files.start()
    soon((tmp_path / node.OURS).exists)
    time.sleep(0.1)  # the watch waits again

    began = time.monotonic()
    files.stop()

    assert time.monotonic() - began < 0.3
