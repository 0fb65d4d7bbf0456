"""The daemon's configuration file: what it may be, what is said of it, and who wins."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from polypod.cli import daemon
from polypod.daemon import settings_file
from polypod.daemon.doors import open_doors, ready_file
from polypod.daemon.options import Options
from polypod.errors import DecodeError, InvalidConfigError, StorageError
from polypod.nad import node_settings
from polypod.nad.node_settings import NodeSettings

EVERYTHING: dict[str, Any] = {
    "clusterNetwork": "main",
    "defaultNetworks": ["a", "b"],
    "systemNamespaces": ["kube-system", "infra"],
    "multusNamespace": "infra",
    "namespaceIsolation": False,
    "globalNamespaces": ["x", "y"],
    "readinessIndicatorFile": "/run/ready",
    "auxiliaryCNIChainName": "extra",
    "confDir": "/etc/net.d",
    "binDir": "/opt/a:/opt/b",
    "cniDir": "/var/lib/m",
    "strictStatus": True,
    "lastKnown": False,
    "logLevel": "debug",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "daemon.yaml"


def options(*words: str) -> Options:
    """What the daemon is told by a command line."""
    chosen = daemon.parser().parse_args(words)
    path = chosen.config
    reading = settings_file.read(path) if path else settings_file.read(Path("/none.yaml"))
    return daemon.options_of(chosen, reading)


def test_every_key_reaches_the_options(file: Path) -> None:
    file.write_text(json.dumps(EVERYTHING), encoding="utf-8")

    found = options("--config", str(file))

    assert EVERYTHING.keys() == node_settings.KEYS.keys()
    assert found.cluster_network == "main"
    assert found.default_networks == ("a", "b")
    assert found.system_namespaces == {"kube-system", "infra"}
    assert found.multus_namespace == "infra"
    assert not found.namespace_isolation
    assert found.global_namespaces == {"x", "y"}
    assert found.ready_file == Path("/run/ready")
    assert found.auxiliary_chain == "extra"
    assert found.networks == Path("/etc/net.d")
    assert found.path == ("/opt/a", "/opt/b")
    assert found.multus_cache == Path("/var/lib/m")
    assert found.strict_status and not found.last_known


def test_the_options_reach_the_doors(tmp_path: Path, file: Path) -> None:
    file.write_text(json.dumps(EVERYTHING), encoding="utf-8")
    told = options("--config", str(file), "--state", str(tmp_path / "state"))

    doors = open_doors(told)

    settings = doors.settings
    assert (settings.cluster_network, settings.auxiliary_chain) == ("main", "extra")
    assert settings.default_networks == ("a", "b")
    assert settings.system_namespaces == {"kube-system", "infra"}
    assert settings.multus_namespace == "infra"
    assert str(doors.ready) == "/run/ready"


def test_the_command_line_wins(file: Path) -> None:
    file.write_text(json.dumps(EVERYTHING), encoding="utf-8")

    found = options(
        *("--config", str(file)),
        *("--namespace-isolation", "--global-namespaces", "z", "--path", "/opt/z"),
        *("--networks", "/etc/z", "--primary", "/etc/p.conf"),
    )

    assert found.namespace_isolation
    assert found.global_namespaces == {"z"}
    assert found.path == ("/opt/z",)
    assert found.networks == Path("/etc/z")
    assert (found.primary, found.cluster_network) == (Path("/etc/p.conf"), "")


def test_without_a_file_the_defaults_are_in_force() -> None:
    found = options()

    assert found.namespace_isolation
    assert (found.cluster_network, found.default_networks) == ("", ())
    assert found.multus_cache is None
    assert ready_file(found) is None


@pytest.mark.parametrize(
    "text",
    [
        "clusterNetwork: main\ndefaultNetworks: [a]\n",
        '{"clusterNetwork": "main", "defaultNetworks": ["a"]}',
        '{\n\t"clusterNetwork": "main",\n\t"defaultNetworks": ["a"]\n}\n',
        "# only that\n{clusterNetwork: main, defaultNetworks: [a]}",
    ],
)
def test_yaml_and_json_are_read(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

    assert settings_file.read(file).settings == NodeSettings(
        cluster_network="main", default_networks=("a",)
    )


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "{}", "null"])
def test_an_empty_file_is_the_defaults(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

    assert settings_file.read(file).settings == NodeSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "daemon.yaml:2: "),
        ("a: b\n\tc: d\n", "daemon.yaml:2: "),
        ("- a\n", "a mapping is expected"),
        ("text", "a mapping is expected"),
        ("a: 1\n---\nb: 2\n", "daemon.yaml:2: "),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("\x00", "daemon.yaml"),
        ("confDir: 2020-13-45\n", "could not determine a constructor"),
        ("confDir: !!binary aGk=\n", "could not determine a constructor"),
        ("confDir: !!bool what\n", "daemon.yaml"),
        ("[" * 5000, "daemon.yaml"),
    ],
)
def test_a_file_that_is_none_is_an_error_with_its_line(file: Path, text: str, said: str) -> None:
    file.write_text(text, encoding="utf-8")

    with pytest.raises(DecodeError) as raised:
        settings_file.read(file)

    assert said in raised.value.cause


@pytest.mark.parametrize("text", ["defaultNetworks: &a [*a]\n", "binDir: &a {b: *a}\n"])
def test_a_knot_is_a_wrong_type(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidConfigError, match="Expected `str`"):
        settings_file.read(file)


def test_a_file_without_end_is_not_read_to_it(file: Path) -> None:
    file.write_bytes(b"#" * (node_settings.MAX_BYTES + 1))

    with pytest.raises(DecodeError, match="longer than 1 MiB"):
        settings_file.read(file)


def test_a_wrong_type_names_file_and_key(file: Path) -> None:
    file.write_text("namespaceIsolation: 3\n", encoding="utf-8")

    with pytest.raises(InvalidConfigError, match=r"daemon.yaml: namespaceIsolation: Expected"):
        settings_file.read(file)


def test_a_file_that_is_missing_is_the_defaults_and_said_so(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The manifests mount a folder whose ConfigMap may be missing."""
    reading = settings_file.read(file)
    settings_file.tell(reading, file)

    assert reading.settings == NodeSettings()
    assert f"settings.absent file={file}" in caplog.text


@pytest.mark.parametrize("name", ["none/daemon.yaml", "."])
def test_a_folder_that_is_missing_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="configuration file: "):
        settings_file.read(tmp_path / name)


def test_what_became_of_keys_is_in_the_log(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file.write_text("chrootDir: /host\ncolour: red\nloglevel: verbose\nenablePprof: true\n")

    settings_file.tell(settings_file.read(file), file)

    said = {record.getMessage(): record.levelname for record in caplog.records}
    levels = {text.split("key=")[1].split()[0]: said[text] for text in said if "key=" in text}
    assert levels == {
        "chrootDir": "INFO",
        "colour": "WARNING",
        "logLevel": "INFO",
        "enablePprof": "WARNING",
        "namespaceIsolation": "INFO",
    }
    assert "keys=logLevel" in caplog.text


def test_the_daemon_refuses_a_wrong_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("defaultNetworks: main\n", encoding="utf-8")

    code = daemon.main(["--config", str(file)])

    err = capsys.readouterr().err
    assert code == 1
    assert f"{file}: defaultNetworks: Expected `array`" in err
    assert "hint: " in err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert daemon.main(["--config-schema"]) == 0

    assert json.loads(capsys.readouterr().out) == node_settings.schema()
