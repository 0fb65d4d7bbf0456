"""The agent compares the folders that it was rendered with with the real runtime's."""

from __future__ import annotations

from tests.cluster import agent
from tests.cluster.kube import Kube, soon


def test_the_agent_says_where_the_runtime_looks(kube: Kube, installed: None) -> None:
    del installed
    wanted = f"conf={kube.place.cni_conf} plugins={kube.place.cni_bin}"

    def said() -> str:
        return kube("-n", agent.NAMESPACE, "logs", "daemonset/polypod")

    soon(lambda: "event=runtime.folders" in said(), "what the runtime says")

    log = said()
    assert wanted in log
    assert "runtime.folder_differs" not in log and "runtime.folder_missing" not in log
