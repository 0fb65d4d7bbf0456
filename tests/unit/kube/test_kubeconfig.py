"""A kubeconfig is read as kubectl reads it, and what cannot be used is named."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from polypod.errors import InvalidConfigError, TryAgainError
from polypod.kube import kubeconfig
from polypod.kube.access import in_cluster
from polypod.kube.exec_credential import ExecCredential, Program, read_exec

V1 = "client.authentication.k8s.io/v1"


def write(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    path = folder / "config"
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_server_name_proxy_and_token(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "server": "https://10.0.0.1:6443",
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy:3128",
        },
        {"token": "t0"},
    )

    found = kubeconfig.read(path)

    assert (found.host, found.port, found.tls) == ("10.0.0.1", 6443, True)
    assert (found.server_name, found.proxy) == ("kubernetes", ("proxy", 3128))
    assert found.token() == "t0"


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"server": "https://h", "certificate-authority": "ca.crt"},
        {"client-certificate": "me.crt", "client-key": "/abs/me.key"},
    )

    found = kubeconfig.read(path)

    assert found.ca_file == tmp_path / "ca.crt"
    assert (found.certificate, found.key) == (tmp_path / "me.crt", Path("/abs/me.key"))
    assert (found.port, found.token()) == (443, "")


def test_inline_certificates_are_readable_as_files(tmp_path: Path) -> None:
    inline = base64.b64encode(b"PEM").decode()
    path = write(
        tmp_path,
        {"server": "https://h", "certificate-authority-data": inline},
        {"client-certificate-data": inline, "client-key-data": inline},
    )

    found = kubeconfig.read(path)

    assert found.ca_text == "PEM"
    assert found.certificate is not None and found.certificate.read_text() == "PEM"
    assert found.key is not None and found.key.read_text() == "PEM"


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    path = write(tmp_path, {"server": "https://h"}, {"tokenFile": "token"})
    found = kubeconfig.read(path)
    first = found.token()

    (tmp_path / "token").write_text("longer\n")

    assert (first, found.token()) == ("one", "longer")
    (tmp_path / "token").unlink()
    assert found.token() == "longer"


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        ({"server": "ftp://h"}, {}, "is no server"),
        ({"server": "https://h", "proxy-url": "socks5://p:1"}, {}, "socks5"),
        ({"server": "https://h"}, {"username": "a", "password": "b"}, "username"),
        ({"server": "https://h"}, {"auth-provider": {"name": "x"}}, "auth-provider"),
        ({"server": "https://h"}, {"exec": {"command": "x", "apiVersion": "v0"}}, "apiVersion"),
        ({"server": "https://h", "certificate-authority-data": "%"}, {}, "base64"),
    ],
)
def test_what_cannot_be_used_is_named(
    cluster: dict[str, Any], user: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = write(tmp_path, cluster, user)

    with pytest.raises(InvalidConfigError, match=words):
        kubeconfig.read(path)


@pytest.mark.parametrize("content", ["[", "[]", "current-context: x", ""])
def test_a_broken_file_is_an_error(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(InvalidConfigError):
        kubeconfig.read(path)
    with pytest.raises(InvalidConfigError):
        kubeconfig.read(tmp_path / "none")


def credential(folder: Path, answer: object, *, status: int = 0) -> Program:
    script = folder / "login"
    (folder / "answer").write_text(json.dumps(answer))
    script.write_text(f"#!/bin/sh\ncd {folder}\necho ran >>runs\ncat answer\nexit {status}\n")
    script.chmod(0o755)
    return read_exec({"command": "./login", "apiVersion": V1, "args": ["x"]}, folder)


def test_an_exec_token_is_kept_until_it_expires(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    clock = [now]
    until = (now + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    program = credential(tmp_path, {"status": {"token": "t", "expirationTimestamp": until}})
    ask = ExecCredential(program, now=lambda: clock[0])

    assert [ask(), ask()] == ["t", "t"]
    clock[0] += timedelta(minutes=4, seconds=40)
    assert ask() == "t"

    assert (tmp_path / "runs").read_text().count("ran") == 2
    ask.refuse()
    assert ask() == "t"
    assert (tmp_path / "runs").read_text().count("ran") == 3


@pytest.mark.parametrize("answer", [{}, {"status": {}}, [], {"status": None}])
def test_an_exec_answer_without_token_is_an_error(answer: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="without a token"):
        ExecCredential(credential(tmp_path, answer))()


def test_a_program_that_fails_or_is_missing_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TryAgainError, match="failed with 3"):
        ExecCredential(credential(tmp_path, {}, status=3))()
    missing = read_exec({"command": "./none", "apiVersion": V1, "installHint": "get it"}, tmp_path)
    with pytest.raises(InvalidConfigError) as refused:
        ExecCredential(missing)()
    assert refused.value.hint == "get it"


def test_a_pod_finds_its_own_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sa")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}

    found = in_cluster(environment, tmp_path)

    assert (found.host, found.port, found.token()) == ("fd00::1", 6443, "sa")
    with pytest.raises(InvalidConfigError, match="not in a pod"):
        in_cluster({}, tmp_path)
    with pytest.raises(InvalidConfigError, match="no service account token"):
        in_cluster(environment, tmp_path / "none")
