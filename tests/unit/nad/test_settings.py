"""The operator's settings: our keys, Multus's, and what is neither."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from polypod.errors import InvalidConfigError
from polypod.nad import multus_settings, node_settings
from polypod.nad.node_settings import KEYS, NodeSettings, Verdict

DAEMON_CONFIG: Mapping[str, object] = {
    "chrootDir": "/hostroot",
    "cniVersion": "0.3.1",
    "logLevel": "verbose",
    "logToStderr": True,
    "cniConfigDir": "/host/etc/cni/net.d",
    "multusAutoconfigDir": "/host/etc/cni/net.d",
    "multusConfigFile": "auto",
    "socketDir": "/host/run/multus/",
}
"""What Multus's own manifest ships."""
GENERATED: Mapping[str, object] = {
    "capabilities": {"portMappings": True},
    "cniVersion": "0.3.1",
    "logLevel": "verbose",
    "logToStderr": True,
    "name": "multus-cni-network",
    "clusterNetwork": "/host/etc/cni/net.d/10-flannel.conflist",
    "type": "multus-shim",
}
"""What Multus generates from it."""


def read(table: Mapping[str, object]) -> NodeSettings:
    return multus_settings.read(table, "f.yaml").settings


def notes(table: Mapping[str, object]) -> dict[str, Verdict]:
    return {note.key: note.verdict for note in multus_settings.read(table, "f.yaml").notes}


def test_an_empty_file_is_the_defaults() -> None:
    reading = multus_settings.read({}, "f.yaml")

    assert reading.settings == NodeSettings()
    assert (reading.given, reading.notes) == (frozenset(), ())


def test_keys_are_found_whatever_their_case_and_an_exact_one_wins() -> None:
    assert read({"CLUSTERNETWORK": "a"}).cluster_network == "a"
    assert read({"clusterNetwork": "a", "clusternetwork": "b"}).cluster_network == "a"
    assert read({"clusternetwork": "b", "clusterNetwork": "a"}).cluster_network == "a"


def test_null_is_absent() -> None:
    assert read(dict.fromkeys(KEYS)) == NodeSettings()
    assert notes({"multusMasterCNI": None, "chrootDir": None, "namespaceIsolation": True}) == {}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("namespaceIsolation", "yes", "namespaceIsolation: Expected `bool`, got `str`"),
        ("defaultNetworks", "a", "defaultNetworks: Expected `array`, got `str`"),
        ("DefaultNetworks", ["a", 1], "defaultNetworks[1]: Expected `str`, got `int`"),
        ("systemNamespaces", ["kube_system"], "systemNamespaces[0]: Expected `str` matching"),
        ("multusNamespace", "", "multusNamespace: Expected `str` matching"),
        ("globalNamespaces", ["../a"], "globalNamespaces[0]: Expected `str` matching"),
        ("clusterNetwork", 1, "clusterNetwork: Expected `str`, got `int`"),
        ("readinessIndicatorFile", "foo", "readinessIndicatorFile: Expected `str` matching"),
        ("confDir", "", "confDir: Expected `str` matching"),
        ("confDir", "/a\0b", "confDir: Expected `str` matching"),
        ("auxiliaryCNIChainName", "../a", "auxiliaryCNIChainName: Expected `str` matching"),
        ("logLevel", "loud", "logLevel: Invalid enum value 'loud'"),
        ("logLevel", 3, "logLevel: Expected `str`, got `int`"),
        ("multusMasterCNI", 3, "multusMasterCNI: Expected `str`"),
    ],
)
def test_a_wrong_type_is_an_error_with_file_and_key(key: str, value: object, text: str) -> None:
    with pytest.raises(InvalidConfigError, match=re.escape(f"f.yaml: {text}")) as raised:
        read({key: value})

    assert raised.value.code == 7


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("clusterNetworks", "did you mean clusterNetwork?"),
        ("namespaceisolated", "did you mean namespaceIsolation?"),
        ("chrootDirectory", "did you mean chrootDir?"),
        ("colour", "nobody reads it"),
    ],
)
def test_an_unknown_key_is_noted_with_the_nearest_one(key: str, text: str) -> None:
    (note,) = multus_settings.read({key: 1}, "f.yaml").notes

    assert (note.key, note.verdict, note.text) == (key, Verdict.UNKNOWN, text)


def test_a_schema_for_editors_is_no_unknown_key() -> None:
    assert notes({"$schema": "daemon-config.schema.json"}) == {}


def test_the_file_that_multus_ships_is_understood() -> None:
    reading = multus_settings.read(DAEMON_CONFIG, "f.yaml")

    assert reading.settings == NodeSettings()
    assert reading.given == {"logLevel"}
    assert notes(DAEMON_CONFIG) == {
        "logLevel": Verdict.TRANSLATED,
        "namespaceIsolation": Verdict.TRANSLATED,
        **dict.fromkeys(DAEMON_CONFIG.keys() - {"logLevel"}, Verdict.WITHOUT_EFFECT),
    }


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(GENERATED, id="conf"),
        pytest.param({"name": "n", "plugins": [{"type": "tuning"}, GENERATED]}, id="conflist"),
    ],
)
def test_the_file_that_multus_generates_is_understood(table: Mapping[str, object]) -> None:
    assert read(table).cluster_network == "/etc/cni/net.d/10-flannel.conflist"
    assert multus_settings.is_multus(table)


def test_a_list_of_others_is_no_file_of_multus() -> None:
    assert notes({"plugins": [{"type": "bridge"}, 1]}) == {"plugins": Verdict.UNKNOWN}
    assert not multus_settings.is_multus({"clusterNetwork": "a"})


def test_what_is_asked_for_and_not_done_is_said_so() -> None:
    asked = {"forceCNIVersion": True, "enablePprof": True, "delegates": [], "perNodeCertificate": 1}

    found = notes({**asked, "namespaceIsolation": True})

    assert found == dict.fromkeys(asked, Verdict.UNSUPPORTED)


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ({"globalNamespaces": " a, b,,"}, "global_namespaces", ("a", "b")),
        ({"globalNamespaces": ""}, "global_namespaces", ()),
        ({"globalNamespaces": ["a"]}, "global_namespaces", ("a",)),
        ({"readinessindicatorfile": "/host/run/a"}, "readiness_indicator_file", "/run/a"),
        ({"confDir": "/host/etc/cni/multus/net.d"}, "conf_dir", "/etc/cni/multus/net.d"),
        ({"binDir": "/host/opt/cni/bin"}, "bin_dir", "/opt/cni/bin"),
        ({"binDir": "/hostile/bin"}, "bin_dir", "/hostile/bin"),
        ({"defaultNetworks": ["/host/a", "b"]}, "default_networks", ("/a", "b")),
        ({"logLevel": "DEBUG"}, "log_level", "debug"),
        ({"logLevel": "panic"}, "log_level", "error"),
        ({"multusMasterCNI": "a.conf"}, "cluster_network", "/etc/cni/net.d/a.conf"),
        (
            {"multusMasterCNI": "a.conf", "multusAutoconfigDir": "/host/x/"},
            "cluster_network",
            "/x/a.conf",
        ),
        ({"multusMasterCNI": "a.conf", "clusterNetwork": "b"}, "cluster_network", "b"),
    ],
)
def test_forms_of_multus_become_ours(given: Mapping[str, object], key: str, value: object) -> None:
    assert getattr(read(given), key) == value


def test_multus_means_no_isolation_unless_it_says_so() -> None:
    silent = multus_settings.with_multus_defaults(multus_settings.read(DAEMON_CONFIG, "f"))
    said = multus_settings.with_multus_defaults(
        multus_settings.read({**DAEMON_CONFIG, "namespaceIsolation": True}, "f")
    )

    assert not silent.settings.namespace_isolation
    assert "namespaceIsolation" in silent.given
    assert "namespaceIsolation" not in [note.key for note in silent.notes]
    assert said.settings.namespace_isolation


def test_the_schema_has_every_key_and_no_other() -> None:
    found = node_settings.schema()

    assert found["properties"].keys() == {"$schema", *KEYS}  # type: ignore[attr-defined]
    assert found["additionalProperties"] is False
