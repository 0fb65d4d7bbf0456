"""TLS, identities and silence, with a real API server: what the one in memory does not have."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import pki, processes
from cluster.place import API_PORT, Place
from msgspec.structs import replace
from tests.contract.api_suite import NODE, definition, pod, soon
from tests.control_plane.lab import RealLab

from polypod.errors import ApiError, PolypodError, TryAgainError
from polypod.kube import kubeconfig
from polypod.kube.access import TokenFile
from polypod.kube.cache import ApiSource
from polypod.kube.client import SILENCE_MS, Client, Query
from polypod.testing.api_http import DEFINITIONS, PODS

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def asked_who(client: Client) -> str:
    """Return who the API server takes us for."""
    raw = client.send("POST", Query(path=WHO), json.dumps({}).encode())
    return str(json.loads(raw)["status"]["userInfo"]["username"])


def wait_for_pods(lab: RealLab) -> None:
    """Wait until pods can be made again: the API server speaks to itself over the same port."""
    until = time.monotonic() + 90
    while True:
        try:
            lab.put(PODS, pod("a"))
        except TryAgainError:
            assert time.monotonic() < until, "the API server does not come to itself"
        else:
            return


def written(folder: Path, user: dict[str, object], **cluster: object) -> Path:
    """Write a kubeconfig for one user."""
    path = folder / "config"
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_server_of_another_authority_is_not_believed(
    lab: RealLab, place: Place, tmp_path: Path
) -> None:
    pki.make(tmp_path / "other", "https://127.0.0.1:1", ("127.0.0.1",))
    client = Client(replace(lab.access, ca_file=tmp_path / "other" / "ca.crt"))

    with pytest.raises(TryAgainError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(Query(path="/api"))

    client.close()
    del place


def test_an_authority_that_is_rotated_is_believed_at_once(
    lab: RealLab, place: Place, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.crt"
    pki.make(tmp_path / "other", "https://127.0.0.1:1", ("127.0.0.1",))
    shutil.copy(tmp_path / "other" / "ca.crt", ca)
    client = Client(replace(lab.access, ca_file=ca))
    with pytest.raises(TryAgainError):
        client.get(Query(path="/api"))

    fresh = tmp_path / "fresh"
    shutil.copy(place.pki / "ca.crt", fresh)
    fresh.replace(ca)

    assert asked_who(client) == "admin"
    client.close()


def test_a_name_that_the_certificate_does_not_have_is_refused(lab: RealLab) -> None:
    good = Client(replace(lab.access, server_name="kubernetes.default.svc"))
    bad = Client(replace(lab.access, server_name="somebody.example"))

    assert asked_who(good) == "admin"
    with pytest.raises(TryAgainError, match="CERTIFICATE_VERIFY_FAILED"):
        asked_who(bad)

    good.close()
    bad.close()


def test_a_token_that_is_rotated_is_used_at_once(lab: RealLab, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("proxy-token", encoding="ascii")
    token = TokenFile(path)
    client = Client(replace(lab.access, token=token, refuse_token=token.refuse))
    assert asked_who(client) == "system:kube-proxy"

    path.write_text("scheduler-token", encoding="ascii")

    assert asked_who(client) == "system:kube-scheduler"
    path.write_text("nobodys-token", encoding="ascii")
    with pytest.raises(ApiError) as refused:
        asked_who(client)
    assert refused.value.status == 401
    client.close()


@pytest.mark.parametrize("inline", ["", "inline"])
def test_a_client_certificate_is_an_identity(
    inline: str, lab: RealLab, place: Place, tmp_path: Path
) -> None:
    del lab
    names = {"client-certificate": "kubelet-client.crt", "client-key": "kubelet-client.key"}
    user: dict[str, object] = {key: str(place.pki / name) for key, name in names.items()}
    if inline:
        user = {
            f"{key}-data": base64.b64encode((place.pki / name).read_bytes()).decode()
            for key, name in names.items()
        }
    ca = base64.b64encode((place.pki / "ca.crt").read_bytes()).decode()
    path = written(tmp_path, user, **{"server": place.server, "certificate-authority-data": ca})
    client = Client(kubeconfig.read(path))

    assert asked_who(client) == "kube-apiserver-kubelet-client"

    client.close()


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_program_gives_the_token(
    version: str, lab: RealLab, place: Place, tmp_path: Path
) -> None:
    del lab
    api = f"client.authentication.k8s.io/{version}"
    answer = {"apiVersion": api, "kind": "ExecCredential", "status": {"token": "proxy-token"}}
    (tmp_path / "answer").write_text(json.dumps(answer), encoding="utf-8")
    run = {
        "apiVersion": api,
        "command": sys.executable,
        "args": ["-c", f"print(open({str(tmp_path / 'answer')!r}).read())"],
        "interactiveMode": "Never",
    }
    cluster = {"server": place.server, "certificate-authority": str(place.pki / "ca.crt")}
    client = Client(kubeconfig.read(written(tmp_path, {"exec": run}, **cluster)))

    assert asked_who(client) == "system:kube-proxy"

    client.close()


@pytest.fixture
def wall(place: Place) -> Iterator[list[str]]:
    """Return nft commands that swallow every packet of the API server; taken away in the end."""
    yield processes.inside(
        place,
        [
            *("nft", "add table inet silence;"),
            *("add chain inet silence in { type filter hook input priority 0 ; };",),
            *(f"add rule inet silence in tcp sport {API_PORT} drop;",),
            *(f"add rule inet silence in tcp dport {API_PORT} drop",),
        ],
    )
    subprocess.run(
        processes.inside(place, ["nft", "delete", "table", "inet", "silence"]),
        capture_output=True,
        check=False,
        timeout=10,
    )


def test_a_peer_that_is_silent_for_ever_is_found_out(
    lab: RealLab, place: Place, wall: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Half-open: packets vanish, nobody says so; the kernel ends the connection (keepalive)."""
    client = Client(lab.access)
    source = ApiSource(client, NODE)
    source.start()
    assert source.wait_synced(10)
    began = time.monotonic()

    subprocess.run(wall, check=True, timeout=10)
    while not caplog.records and time.monotonic() - began < SILENCE_MS / 1000 + 20:
        time.sleep(0.2)
    found_after = time.monotonic() - began
    subprocess.run(
        processes.inside(place, ["nft", "delete", "table", "inet", "silence"]),
        check=True,
        timeout=10,
    )
    lab.put(DEFINITIONS, definition("after"))

    soon(lambda: [one.name for one in source.definitions()] == ["after"])
    assert 10 < found_after < SILENCE_MS / 1000 + 15
    source.stop()
    client.close()
    wait_for_pods(lab)


def test_who_has_no_token_is_refused(lab: RealLab) -> None:
    client = Client(replace(lab.access, token=lambda: ""))

    with pytest.raises(PolypodError) as refused:
        client.get(Query(path="/api/v1/pods"))

    assert isinstance(refused.value, ApiError) and refused.value.status in {401, 403}
    client.close()
