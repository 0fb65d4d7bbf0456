"""Which folders a daemon works with, and what its log says of mounts that are not there."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.grpc_server import GrpcServer

from polypod.daemon import runtime_folders
from polypod.daemon.runtime_folders import Folders, compare, settle
from polypod.kube import cri
from polypod.kube.cri import CniFolders
from polypod.kube.protobuf import render


@pytest.fixture
def node() -> Generator[Path]:
    """A node's folders, and a runtime at its socket that works with them."""
    with tempfile.TemporaryDirectory(prefix="node-") as folder:
        root = Path(folder)
        for name in ("net.d", "bin", "bin2"):
            (root / name).mkdir()
        told = {"PluginConfDir": f"{root}/net.d", "PluginDirs": [f"{root}/bin", f"{root}/bin2"]}
        answer = render((2, render((1, "cniconfig"), (2, json.dumps(told)))))
        with GrpcServer(root / "sock", {cri.STATUS: lambda _: answer}):
            yield root


def test_what_was_not_chosen_comes_from_the_runtime(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    found = settle(Folders(), node / "sock", node / "memory")

    assert found == Folders(primary=node / "net.d", path=(f"{node}/bin", f"{node}/bin2"))
    assert [record.message.split()[0] for record in caplog.records] == ["runtime.folders"]


def test_one_folder_to_write_brings_the_other(node: Path) -> None:
    by_conf = settle(Folders(conf=node / "net.d"), node / "sock", node / "memory")
    by_shim = settle(Folders(shim=node / "bin2"), node / "sock", node / "memory")

    assert (by_conf.conf, by_conf.shim) == (node / "net.d", node / "bin")
    assert (by_shim.conf, by_shim.shim) == (node / "net.d", node / "bin2")


def test_what_was_chosen_wins_and_a_difference_is_said_with_a_hint(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (node / "other").mkdir()
    chosen = Folders(conf=node / "other", shim=node / "other", path=("/x",))

    compare(chosen, node / "sock")

    said = [record.getMessage() for record in caplog.records]
    assert [line.split()[:2] for line in said] == [
        ["runtime.folder_differs", "what=configuration"],
        ["runtime.folder_differs", "what=shim"],
    ]
    assert f"ours={node}/other runtime={node}/net.d" in said[0]
    assert "mount the runtime's folder at its own path" in said[0]


def test_a_folder_that_is_not_mounted_here_is_said(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (node / "net.d").rmdir()

    settle(Folders(), node / "sock", node / "memory")

    assert f"runtime.folder_missing folder={node}/net.d" in caplog.text


def test_a_runtime_that_does_not_answer_is_said_and_the_usual_folders_are_taken(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = settle(Folders(), node / "nobody", node / "memory")

    assert found == Folders(primary=Path("/etc/cni/net.d"), path=("/opt/cni/bin",))
    assert "runtime.silent" in caplog.text
    assert "conf=/etc/cni/net.d plugins=/opt/cni/bin from='common habit'" in caplog.text


def test_what_a_runtime_said_is_taken_while_it_is_silent(node: Path) -> None:
    before = settle(Folders(), node / "sock", node / "state" / "memory")
    (node / "sock").rename(node / "away")

    after = settle(Folders(), node / "sock", node / "state" / "memory")

    assert after == before


def test_what_another_runtime_said_does_not_count(node: Path) -> None:
    settle(Folders(), node / "sock", node / "memory")

    assert settle(Folders(), node / "nobody", node / "memory").path == ("/opt/cni/bin",)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"socket":"","conf":"","plugins":[]}'])
def test_a_memory_that_makes_no_sense_is_none(node: Path, content: bytes) -> None:
    (node / "memory").write_bytes(content)

    assert settle(Folders(), node / "nobody", node / "memory").path == ("/opt/cni/bin",)


@pytest.mark.parametrize(
    "chosen",
    [
        Folders(conf=Path("/c"), shim=Path("/s"), path=("/p",)),
        Folders(primary=Path("/c"), path=("/p",)),
    ],
    ids=["kept", "read"],
)
def test_when_everything_is_named_the_start_waits_for_no_runtime(
    node: Path, chosen: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def note(path: Path, *, timeout_s: float = 0) -> CniFolders:
        del path, timeout_s
        asked.set()
        return CniFolders(conf=Path("/c"), plugins=(Path("/s"),))

    monkeypatch.setattr(cri, "cni_folders", note)
    monkeypatch.setattr(runtime_folders, "LATER_S", 0.05)

    found = settle(chosen, node / "sock", node / "memory")

    assert found.primary == Path("/c")
    assert (found.conf, found.shim, found.path) == (chosen.conf, chosen.shim, ("/p",))
    assert not asked.is_set()
    assert asked.wait(5)


def test_a_runtime_that_cannot_be_compared_with_is_said(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compare(Folders(primary=Path("/c"), path=("/p",)), node / "nobody")

    assert "runtime.silent" in caplog.text
