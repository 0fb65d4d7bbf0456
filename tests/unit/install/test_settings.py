"""The agent's settings in the manifests: a ConfigMap that the daemon reads as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from polypod.cli.render import render_
from polypod.daemon import settings_file
from polypod.install import agent, chart, render, settings
from polypod.install.values import Values
from polypod.nad.node_settings import NodeSettings

CONFIG = {"clusterNetwork": "/etc/cni/net.d/10-a.conflist", "namespaceIsolation": False}


def daemon_set(values: Values) -> dict[str, Any]:
    (found,) = render.objects(values)["daemonset.yaml"]
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def read(text: str, folder: Path) -> NodeSettings:
    (folder / "daemon.yaml").write_text(text, encoding="utf-8")
    reading = settings_file.read(folder / "daemon.yaml")
    assert reading.notes == ()
    return reading.settings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Values(), NodeSettings()),
        (
            Values(log_level="debug", global_namespaces="a,b", config=CONFIG),
            NodeSettings(
                log_level="debug",
                global_namespaces=("a", "b"),
                cluster_network="/etc/cni/net.d/10-a.conflist",
                namespace_isolation=False,
            ),
        ),
    ],
)
def test_the_daemon_reads_what_was_rendered(
    values: Values, expected: NodeSettings, tmp_path: Path
) -> None:
    (found,) = render.objects(values)["config.yaml"]
    rendered = yaml.safe_load(render.text([found]))

    assert read(rendered["data"]["daemon.yaml"], tmp_path) == expected


def test_the_agent_is_told_where_its_settings_are_and_starts_without_them() -> None:
    spec = daemon_set(Values())["spec"]["template"]["spec"]
    container = spec["containers"][0]

    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "config"]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "config"]
    assert f"--config={mount['mountPath']}/daemon.yaml" in container["args"]
    assert volume["configMap"] == {"name": "polypod", "optional": True}
    assert mount["readOnly"]


def test_a_change_of_settings_makes_new_pods() -> None:
    def sum_of(values: Values) -> object:
        return daemon_set(values)["spec"]["template"]["metadata"]["annotations"]

    assert sum_of(Values()) == sum_of(Values())
    assert sum_of(Values()) != sum_of(Values(config=CONFIG))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ()),
        ({"clusterNetwork": "name"}, ()),
        ({"clusterNetwork": "/etc/cni/net.d/10-a.conf"}, ()),
        ({"clusterNetwork": "/etc/nets/a.conf"}, ("/etc/nets",)),
        ({"defaultNetworks": ["a", "/x/a.conf", "/x/y/b.conf"]}, ("/x",)),
        ({"readinessIndicatorFile": "/run/ovn/ready"}, ("/run/ovn",)),
        ({"readinessIndicatorFile": "/etc/cni/net.d/10-calico.conflist"}, ()),
        ({"confDir": "/etc/cni/multus/net.d"}, ("/etc/cni/multus/net.d",)),
    ],
)
def test_folders_that_settings_name_are_seen(
    config: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert settings.folders(config, agent.mounted(Values())) == expected


def test_folders_are_mounted_where_the_node_has_them_and_not_written() -> None:
    spec = daemon_set(Values(host_paths=("/a", "/b")))["spec"]["template"]["spec"]

    mounts = [m for m in spec["containers"][0]["volumeMounts"] if m["name"].startswith("host-path")]
    volumes = [v for v in spec["volumes"] if v["name"].startswith("host-path")]
    assert [mount["mountPath"] for mount in mounts] == ["/a", "/b"]
    assert [volume["hostPath"]["path"] for volume in volumes] == ["/a", "/b"]
    assert all(mount["readOnly"] for mount in mounts)


def test_a_file_of_multus_becomes_the_agents_settings(tmp_path: Path) -> None:
    file = tmp_path / "daemon-config.json"
    told = {
        "chrootDir": "/hostroot",
        "logLevel": "verbose",
        "globalNamespaces": "a,b",
        "readinessindicatorfile": "/host/run/ovn/ready",
        "colour": "red",
    }
    file.write_text(json.dumps(told), encoding="utf-8")
    words = ["--platform", "kubeadm", "--primary", "flannel", "--config", str(file)]

    done = CliRunner().invoke(render_, words)

    found = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert yaml.safe_load(found["ConfigMap"]["data"]["daemon.yaml"]) == {
        "logLevel": "info",
        "binDir": "/opt/cni/bin",
        "namespaceIsolation": True,
        "globalNamespaces": ["a", "b"],
        "readinessIndicatorFile": "/run/ovn/ready",
    }
    assert "/run/ovn" in str(found["DaemonSet"]["spec"]["template"]["spec"]["volumes"])
    assert "colour: unknown: nobody reads it" in done.stderr
    assert "chrootDir: without effect" in done.stderr


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("namespaceIsolation: true\n", encoding="utf-8")
    words = ["--platform", "kubeadm", "--primary", "flannel", "--no-namespace-isolation"]

    done = CliRunner().invoke(render_, [*words, "--config", str(file)])

    assert "namespaceIsolation: false" in done.stdout


def test_the_chart_has_the_schema_of_the_settings() -> None:
    schema = json.loads(chart.files(Values())["values.schema.json"])["properties"]["config"]

    assert schema["additionalProperties"] is False
    assert schema["properties"]["defaultNetworks"]["type"] == "array"


def test_the_chart_leaves_settings_and_folders_to_its_values() -> None:
    files = chart.files(Values(config=CONFIG, host_paths=("/a",)))

    values = yaml.safe_load(files["values.yaml"])
    assert (values["config"], values["hostPaths"]) == (CONFIG, ["/a"])
    assert 'include "polypod.settings" . | indent 4' in files["templates/config.yaml"]
    assert "@" not in files["templates/config.yaml"]
    assert "host-path-{{ $number }}" in files["templates/daemonset.yaml"]
    assert files["templates/daemonset.yaml"].count("range $number, $path") == 2
