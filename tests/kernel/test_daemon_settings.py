"""The real daemon with a configuration file: networks that the operator gives to every pod."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kernel.live import PRIMARY, Live, links


def write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def bridge(name: str, subnet: str) -> dict[str, Any]:
    ipam = {"type": "host-local", "subnet": subnet}
    return {"cniVersion": "1.0.0", "name": name, "type": "bridge", "bridge": name, "ipam": ipam}


def sysctl(key: str) -> dict[str, Any]:
    return {"type": "tuning", "sysctl": {f"net.ipv4.conf.{key}": "1"}}


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live(primary=None)
    net = node.folder / "net"
    write(net / "10-main.conflist", PRIMARY)
    write(net / "live" / "10-a.conf", sysctl("IFNAME.arp_filter"))
    write(net / "extra" / "10-a.conf", sysctl("eth0.arp_ignore"))
    write(net / "path.conf", bridge("live2", "10.68.0.0/16"))
    write(
        node.folder / "manifests" / "second.yaml",
        {
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"namespace": "infra", "name": "second"},
            "spec": {"config": json.dumps(bridge("live1", "10.67.0.0/16"))},
        },
    )
    yield node
    node.close()
    for link in {"live1", "live2"} & {link["ifname"] for link in links()}:
        subprocess.run(["ip", "link", "del", link], check=True)


def configure(live: Live, **settings: object) -> None:
    net = live.folder / "net"
    told = {
        "clusterNetwork": str(net / "10-main.conflist"),
        "multusNamespace": "infra",
        "defaultNetworks": ["second", str(net / "path.conf")],
        "auxiliaryCNIChainName": "extra",
        **settings,
    }
    file = live.folder / "daemon.yaml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    live.options += ["--config", str(file)]


def sysctl_of(live: Live, container: str, key: str) -> str:
    del live
    command = ["nsenter", f"--net=/run/netns/{container}", "sysctl", "-n", f"net.ipv4.conf.{key}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_every_pod_gets_the_operators_networks_and_chains(live: Live) -> None:
    configure(live)
    live.start()
    live.sandbox("one")

    answer = live.call("ADD", "one")

    assert answer.code == 0, answer.stdout
    assert answer.json["ips"][0]["address"].startswith("10.66.")
    assert live.links_of("one") == {"eth0", "net1", "net2"}
    assert sysctl_of(live, "one", "eth0.arp_filter") == "1"  # chained to the primary
    assert sysctl_of(live, "one", "eth0.arp_ignore") == "1"  # the chain after all others
    assert live.call("CHECK", "one").code == 0
    assert live.call("DEL", "one").code == 0
    assert live.links_of("one") == set()
    assert not live.leases() and not live.records()


def test_pods_of_the_system_get_the_cluster_network_alone(live: Live) -> None:
    configure(live, systemNamespaces=["default"])
    live.start()
    live.sandbox("one")

    assert live.call("ADD", "one").code == 0
    assert live.links_of("one") == {"eth0"}
    assert live.call("DEL", "one").code == 0


def test_a_pod_waits_until_the_primary_is_ready(live: Live) -> None:
    ready = live.folder / "ready"
    configure(live, readinessIndicatorFile=str(ready))
    live.start()
    live.sandbox("one")
    waiting = live.begin("ADD", "one")
    status = live.call("STATUS", "one", b'{"cniVersion":"1.1.0","name":"a","type":"polypod"}')

    ready.touch()
    stdout, _ = waiting.communicate(timeout=60)

    assert status.json["code"] == 50 and str(ready) in status.json["msg"]
    assert waiting.returncode == 0, stdout
    assert live.call("DEL", "one").code == 0


def test_a_network_that_nobody_has_is_named_and_nothing_is_left(live: Live) -> None:
    configure(live, defaultNetworks=["second", "missing"])
    live.start()
    live.sandbox("one")

    answer = live.call("ADD", "one")

    assert answer.code == 1
    assert "cannot find network: missing" in answer.json["msg"]
    assert live.links_of("one") == set()
    assert not live.leases() and not live.records()


def test_keys_of_multus_are_taken_and_others_named(live: Live) -> None:
    configure(live, globalnamespaces="a,b", colour="red", chrootDir="/hostroot")
    live.start()

    log = live.logged()
    assert "event=settings.read" in log
    assert "key=globalNamespaces verdict=translated" in log
    assert "key=colour verdict=unknown" in log
    assert 'key=chrootDir verdict="without effect"' in log
