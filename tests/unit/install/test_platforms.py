"""Folders for each platform, beside each primary, and what must change elsewhere as files."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import yaml

from polypod.install import agent, extras, render
from polypod.install.platforms import PLATFORMS, PRIMARIES, beside
from polypod.install.values import Values

PAIRS = list(itertools.product(PLATFORMS, ["", *PRIMARIES]))


def daemon_set(platform: str, primary: str = "") -> Any:
    values = Values(platform=beside(PLATFORMS[platform], primary))
    (found,) = render.objects(values)["daemonset.yaml"]
    return found


def mounts(found: Any) -> dict[str, dict[str, Any]]:
    container = found["spec"]["template"]["spec"]["containers"][0]
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def host_paths(found: Any) -> list[dict[str, Any]]:
    volumes = found["spec"]["template"]["spec"]["volumes"]
    return [volume for volume in volumes if "hostPath" in volume]


@pytest.mark.parametrize(("platform", "primary"), PAIRS)
def test_the_agent_sees_the_runtimes_folders_under_their_own_names(
    platform: str, primary: str
) -> None:
    found = daemon_set(platform, primary)
    container = found["spec"]["template"]["spec"]["containers"][0]
    chosen = beside(PLATFORMS[platform], primary)

    volumes = {v["name"]: v["hostPath"]["path"] for v in host_paths(found)}

    assert f"--shim-dir={chosen.cni_bin}" in container["args"]
    assert f"--conf-dir={chosen.cni_conf}" in container["args"]
    for folder in (chosen.cni_bin, chosen.cni_conf):
        assert volumes[mounts(found)[folder]["name"]] == folder


def test_k3s_uses_its_own_folders_only_while_its_own_primary_is_on() -> None:
    own = "/var/lib/rancher/k3s/agent/etc/cni/net.d"

    assert own in mounts(daemon_set("k3s"))
    assert own in mounts(daemon_set("k3s", "flannel"))
    assert "/etc/cni/net.d" in mounts(daemon_set("k3s", "cilium"))
    assert own not in mounts(daemon_set("k3s", "calico"))


def test_where_the_plugins_of_k3s_point_to_is_seen_and_not_written() -> None:
    found = mounts(daemon_set("k3s"))["/var/lib/rancher/k3s/data"]

    assert found == {
        "name": agent.PLUGIN_STORE,
        "mountPath": "/var/lib/rancher/k3s/data",
        "readOnly": True,
    }


def test_on_talos_the_agent_speaks_to_the_api_server_on_its_own_node() -> None:
    container = daemon_set("talos")["spec"]["template"]["spec"]["containers"][0]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}

    assert variables["KUBERNETES_SERVICE_HOST"] == "localhost"
    assert variables["KUBERNETES_SERVICE_PORT"] == "7445"


def test_no_kind_of_folder_is_checked_where_etc_is_read_only() -> None:
    volumes = host_paths(daemon_set("talos"))

    (conf,) = [v for v in volumes if v["hostPath"]["path"] == "/etc/cni/net.d"]
    assert "type" not in conf["hostPath"]


@pytest.mark.parametrize(("platform", "primary"), PAIRS)
def test_every_extra_is_yaml_and_named_in_the_readme(platform: str, primary: str) -> None:
    found = extras.files(platform, primary)

    readme = found.pop("README.md")
    for name, text in found.items():
        assert f"`{name}`" in readme
        assert isinstance(yaml.safe_load(text), dict)
    if not found:
        assert "Nothing" in readme


def test_cilium_is_told_to_leave_other_configurations_alone() -> None:
    plain = yaml.safe_load(extras.files("talos", "cilium")["cilium-values.yaml"])
    chart = yaml.safe_load(extras.files("rke2", "cilium")["rke2-cilium-config.yaml"])

    assert plain == {"cni": {"exclusive": False}}
    assert yaml.safe_load(chart["spec"]["valuesContent"]) == plain
    assert (chart["kind"], chart["metadata"]["name"]) == ("HelmChartConfig", "rke2-cilium")


@pytest.mark.parametrize("primary", ["cilium", "calico"])
def test_k3s_is_told_to_leave_the_first_network_to_others(primary: str) -> None:
    found = yaml.safe_load(extras.files("k3s", primary)["k3s-server.yaml"])

    assert found == {"flannel-backend": "none", "disable-network-policy": True}
    assert "k3s-server.yaml" not in extras.files("k3s", "flannel")


def test_the_kubelets_folders_are_seen_at_one_place_and_not_written() -> None:
    platform = replace(PLATFORMS["kubeadm"], kubelet="/var/lib/k0s/kubelet")
    found: Any = agent.daemon_set(Values(platform=platform))
    volumes = {v["name"]: v["hostPath"]["path"] for v in host_paths(found)}

    for name, place in (
        ("pod-resources", "/var/lib/k0s/kubelet/pod-resources"),
        ("device-plugins", "/var/lib/kubelet/device-plugins"),
    ):
        mount = mounts(found)[f"/var/lib/kubelet/{name}"]
        assert mount == {
            "name": name,
            "mountPath": f"/var/lib/kubelet/{name}",
            "readOnly": True,
        }
        assert volumes[name] == place
