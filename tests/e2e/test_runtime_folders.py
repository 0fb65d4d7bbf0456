"""containerd says where it looks for CNI files, and a daemon works with that."""

from __future__ import annotations

import pytest
from tests.e2e.beside import daemon
from tests.e2e.node import Node

from polypod.kube import cri
from polypod.kube.cri import CniFolders


def test_containerd_tells_its_folders(node: Node) -> None:
    assert cri.cni_folders(node.runtime.socket) == CniFolders(
        conf=node.root / "net.d", plugins=(node.root / "bin",)
    )


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param((), "primary={root}/net.d path={root}/bin", id="nothing is named"),
        pytest.param(
            ("--path", "/other", "--primary", "{root}/primary.conflist"),
            "primary={root}/primary.conflist path=/other",
            id="everything is named",
        ),
    ],
)
def test_what_is_not_named_is_containerds(node: Node, words: tuple[str, ...], wanted: str) -> None:
    told = [word.format(root=node.root) for word in words]
    name = f"by-runtime-{len(told)}"

    with daemon(node, name, "--runtime-socket", str(node.runtime.socket), *told) as program:
        program.wait_until(lambda: "runtime.folders" in program.tail(), "asks the runtime")
        said = program.tail()

    assert f"runtime.folders socket={node.runtime.socket}" in said
    assert wanted.format(root=node.root) in said


def test_a_runtime_that_is_not_there_leaves_the_usual_folders(node: Node) -> None:
    with daemon(node, "by-nobody", "--runtime-socket", "/run/nobody.sock") as program:
        said = program.tail()

    assert "runtime.silent socket=/run/nobody.sock" in said
    assert "primary=/etc/cni/net.d path=/opt/cni/bin" in said
