"""What a switch means for Multus's settings, for what runs beside it, and for a node's files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polypod.doctor import cutover, multus
from polypod.doctor.facts import Facts, NodeFiles, Sandbox, SettingsText, Workload
from polypod.doctor.finding import Effect, Finding
from polypod.doctor.rules import node, settings, workloads

THICK = Workload(
    kind="DaemonSet",
    namespace="kube-system",
    name="kube-multus-ds",
    images=("example/multus-cni:v4-thick",),
    arguments=("/usr/src/multus-cni/bin/multus-daemon",),
    host_paths={"/host/etc/cni/net.d": "/var/cni/net.d", "/opt/cni/bin": "/var/cni/bin"},
)
PRIMARY = b'{"cniVersion":"1.0.0","name":"cbr0","plugins":[{"type":"flannel"}]}'
MULTUS = b'{"cniVersion":"1.0.0","name":"multus-cni-network","type":"multus-shim"}'


def told(config: dict[str, Any] | str, *more: Workload) -> Facts:
    raw = config if isinstance(config, str) else json.dumps(config)
    text = SettingsText(where="ConfigMap kube-system/c daemon-config.json", raw=raw.encode())
    return Facts(workloads=(THICK, *more), settings=(text,))


def by_subject(found: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in found}


def test_isolation_keeps_its_former_value_also_where_nothing_is_said() -> None:
    assert multus.told(told({})).settings.namespace_isolation is False
    assert multus.told(told({"namespaceIsolation": True})).settings.namespace_isolation is True


def test_each_key_is_kept_without_effect_or_lost() -> None:
    facts = told(
        {
            "namespaceIsolation": True,
            "globalNamespaces": "default, shared",
            "defaultNetworks": ["every-pod"],
            "chrootDir": "/hostroot",
            "forceCNIVersion": True,
            "readinessindicatorfile": "/host/run/ready",
        }
    )

    found = by_subject(settings.judge(facts))

    assert found["setting defaultNetworks"].text == 'is kept: ["every-pod"]'
    assert found["setting namespaceIsolation"].text == "is kept: true"
    assert found["setting chrootDir"].effect is Effect.SAME
    assert found["setting forceCNIVersion"].effect is Effect.DIFFERS
    assert cutover.settings_text(facts) == {
        "defaultNetworks": ["every-pod"],
        "globalNamespaces": ["default", "shared"],
        "readinessIndicatorFile": "/run/ready",
        "confDir": "/etc/cni/multus/net.d",
    }


def test_the_thin_forms_arguments_are_its_settings() -> None:
    thin = Workload(
        kind="DaemonSet",
        namespace="kube-system",
        name="multus",
        images=("example/multus-cni:v4",),
        arguments=(
            "/thin_entrypoint",
            "--namespace-isolation=true",
            "--global-namespaces=shared",
            "--multus-conf-file=auto",
            "--multus-log-to-stderr",
        ),
    )

    found = multus.told(Facts(workloads=(thin,)))

    assert found.settings.namespace_isolation is True
    assert found.settings.global_namespaces == ("shared",)


def test_the_daemons_file_wins_over_what_lies_on_a_node() -> None:
    on_node = SettingsText(where="00-multus.conf", raw=b'{"globalNamespaces":"old"}')
    facts = told({"globalNamespaces": "new"})

    found = multus.told(Facts(workloads=(THICK,), settings=(*facts.settings, on_node)))

    assert found.settings.global_namespaces == ("new",)


@pytest.mark.parametrize("text", ["{", "[]", '{"defaultNetworks": 7}'])
def test_settings_that_cannot_be_read_block_the_switch(text: str) -> None:
    (found,) = [f for f in settings.judge(told(text)) if f.effect is not Effect.SAME]

    assert found.effect is Effect.BLOCKS


def test_a_cluster_without_multus_has_nothing_to_say() -> None:
    assert settings.judge(Facts()) == ()


def test_a_cache_that_the_agent_does_not_see_is_told() -> None:
    found = by_subject(settings.judge(told({"cniDir": "/data/multus"})))

    assert found["setting cniDir"].effect is Effect.DIFFERS


def test_networks_that_are_written_into_multuss_own_file() -> None:
    delegates = [{"name": "cbr0", "type": "flannel"}, {"name": "second", "type": "macvlan"}]
    conf = {"type": "multus", "name": "m", "delegates": delegates}
    text = SettingsText(where="00-multus.conflist", raw=json.dumps({"plugins": [conf]}).encode())

    found = settings.judge(Facts(workloads=(THICK,), settings=(text,)))

    said = [finding for finding in found if finding.subject == "setting delegates"]
    assert [finding.effect for finding in said] == [Effect.SAME, Effect.BLOCKS]
    assert "gives every pod second too" in said[1].text


def test_multuss_own_folders_are_the_new_ones() -> None:
    kept = cutover.kept(told({"clusterNetwork": "/host/etc/cni/net.d/10-flannel.conflist"}))

    assert kept.plugin_folder == "/var/cni/bin"
    assert kept.configuration_folder == "/var/cni/net.d"
    assert kept.settings.cluster_network == ""


@pytest.mark.parametrize(
    ("name", "image", "effect"),
    [
        ("dynamic-networks-controller-ds", "example/multus-dynamic-networks", Effect.BLOCKS),
        ("whereabouts", "example/whereabouts:v0.9", Effect.SAME),
        ("kube-sriov-cni-ds", "example/sriov-cni", Effect.SAME),
    ],
)
def test_what_runs_beside_it_stays_or_has_no_work(name: str, image: str, effect: Effect) -> None:
    one = Workload(kind="DaemonSet", namespace="kube-system", name=name, images=(image,))

    (found,) = workloads.judge(Facts(workloads=(one,)))

    assert found.effect is effect
    assert not multus.is_multus(one)


def test_multus_itself_and_strangers() -> None:
    stranger = Workload(kind="Deployment", namespace="default", name="shop", images=("shop:1",))

    (found,) = workloads.judge(Facts(workloads=(THICK, stranger)))

    assert "is Multus, thick" in found.text


@pytest.mark.parametrize(
    ("files", "effect", "said"),
    [
        ({"00-multus.conf": MULTUS, "10-f.conflist": PRIMARY}, Effect.SAME, "is 10-f.conflist"),
        ({"00-multus.conf": MULTUS}, Effect.BLOCKS, "no configuration but Multus's own"),
        (
            {"10-a.conflist": PRIMARY, "20-b.conflist": PRIMARY},
            Effect.SAME,
            "is 20-b.conflist, as clusterNetwork says",
        ),
    ],
    ids=["found", "none", "another"],
)
def test_a_node_needs_a_primary(files: dict[str, bytes], effect: Effect, said: str) -> None:
    facts = told({"clusterNetwork": "/etc/cni/net.d/20-b.conflist"})
    facts = Facts(
        workloads=facts.workloads, settings=facts.settings, node=NodeFiles(configurations=files)
    )

    (found,) = node.judge(facts)

    assert found.effect is effect
    assert said in found.text


def test_running_pods_are_counted_and_what_they_need_is_named() -> None:
    files = NodeFiles(
        plugins=frozenset({"flannel"}),
        sandboxes=(
            Sandbox(container_id="a", types=frozenset({"flannel", "bridge", "host-local"})),
            Sandbox(container_id="b", types=frozenset({"sriov"})),
            Sandbox(container_id="c", fault="delegates: truncated"),
        ),
    )

    found = node.judge(Facts(node=files))

    assert [finding.effect for finding in found] == [Effect.SAME, Effect.DIFFERS, Effect.DIFFERS]
    assert found[0].text.startswith("2 sandboxes of Multus's are taken down")
    assert "delegates: truncated" in found[1].text
    assert "1 sandboxes were made by sriov" in found[2].text


def test_a_node_that_nobody_looked_at_has_nothing_to_say() -> None:
    assert node.judge(Facts()) == ()
    assert node.judge(Facts(node=NodeFiles())) == ()
