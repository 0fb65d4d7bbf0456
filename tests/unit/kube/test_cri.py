"""Where a runtime looks for CNI files, as containerd and CRI-O tell it."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import Any

import pytest
from tests.grpc_server import GrpcServer

from polypod.errors import DecodeError, PolypodError, TryAgainError
from polypod.kube import cri
from polypod.kube.cri import CniFolders
from polypod.kube.protobuf import render

LOADED = {
    "PluginDirs": ["/opt/cni/bin", "/usr/lib/cni"],
    "PluginConfDir": "/etc/cni/net.d",
    "PluginMaxConfNum": 1,
    "Prefix": "eth",
    "Networks": [],
}
CRIO = b"""[crio]
  root = "/var/lib/containers/storage"
  [crio.network]
    network_dir = "/etc/cni/net.d/"
    plugin_dirs = ["/opt/cni/bin/", "/usr/libexec/cni/"]
  [crio.metrics]
    enable_metrics = false
"""
"""As CRI-O 1.34 answers, shortened."""
CRIOS_STATUS: dict[str, Any] = {
    "config": {"sandboxImage": "registry.k8s.io/pause:3.10", "crio": {"Conmon": "/usr/bin/conmon"}}
}


def status(**info: object) -> bytes:
    """A status with conditions, as a runtime gives it, and its verbose part."""
    told = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in info.items()
    }
    conditions = render((1, render((1, "RuntimeReady"), (2, 1))))
    return render((1, conditions), *((2, render((1, k), (2, v))) for k, v in told.items()))


@pytest.fixture
def place() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="cri-") as folder:
        yield Path(folder) / "sock"


def test_what_containerds_cni_library_works_with_comes_first() -> None:
    other = {"cni": {"confDir": "/elsewhere", "binDir": "/elsewhere"}}

    assert cri.of_status(status(cniconfig=LOADED, config=other, golang="go1.22")) == CniFolders(
        conf=Path("/etc/cni/net.d"), plugins=(Path("/opt/cni/bin"), Path("/usr/lib/cni"))
    )


@pytest.mark.parametrize(
    ("cni", "plugins"),
    [
        ({"confDir": "/c", "binDir": "/b"}, (Path("/b"),)),
        ({"confDir": "/c", "binDir": "", "binDirs": ["/b", "/d"]}, (Path("/b"), Path("/d"))),
        # As containerd 2.4 has it.
        ({"binDirs": ["/b"], "confDir": "/c", "maxConfNum": 1, "ipPref": ""}, (Path("/b"),)),
    ],
)
def test_containerds_settings_serve_too(cni: dict[str, Any], plugins: tuple[Path, ...]) -> None:
    found = cri.of_status(status(cniconfig="null", config={"cni": cni}))

    assert found == CniFolders(conf=Path("/c"), plugins=plugins)


@pytest.mark.parametrize(
    "info",
    [
        {},
        CRIOS_STATUS,
        {"cniconfig": "junk", "config": "[]"},
        {"cniconfig": {"PluginConfDir": 7, "PluginDirs": "/opt"}},
        {"cniconfig": {"PluginConfDir": "net.d", "PluginDirs": ["bin", None, "/a\0b"]}},
        {"config": {"cni": [1]}},
    ],
)
def test_a_status_that_does_not_tell_is_not_whole(info: dict[str, object]) -> None:
    assert not cri.of_status(status(**info)).is_whole


def test_crio_tells_in_its_configuration() -> None:
    assert cri.of_crio(CRIO) == CniFolders(
        conf=Path("/etc/cni/net.d"), plugins=(Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
    )


@pytest.mark.parametrize("config", [b"", b"[crio]", b"crio = 1", b'[crio.network]\nplugin_dir=""'])
def test_a_configuration_that_does_not_tell_is_not_whole(config: bytes) -> None:
    assert not cri.of_crio(config).is_whole


@pytest.mark.parametrize("config", [b"=", b"\xff", b"a = " + b"[" * 100_000])
def test_a_configuration_that_is_no_toml_is_refused(config: bytes) -> None:
    with pytest.raises(DecodeError):
        cri.of_crio(config)


def test_a_runtime_is_asked_for_a_verbose_status(place: Path) -> None:
    def answer(message: bytes) -> bytes:
        assert message == b"\x08\x01"
        return status(cniconfig=LOADED)

    with GrpcServer(place, {cri.STATUS: answer}):
        assert cri.cni_folders(place).conf == Path("/etc/cni/net.d")


def test_a_runtime_that_tells_nothing_and_serves_no_configuration_is_an_error(place: Path) -> None:
    with (
        GrpcServer(place, {cri.STATUS: lambda _: status()}),
        pytest.raises(PolypodError, match="does not tell its CNI folders"),
    ):
        cri.cni_folders(place)


class _Crio(BaseHTTPRequestHandler):
    """CRI-O's socket: it answers HTTP/1, and gRPC not while it waits for its plugin."""

    def handle(self) -> None:
        if self.connection.recv(3, socket.MSG_PEEK) == b"PRI":
            self.connection.recv(1 << 16)
            self.connection.recv(1)  # until the caller hangs up
        else:
            super().handle()

    def do_GET(self) -> None:
        told = self.config()
        self.send_response(200 if told and self.path == "/config" else 404)
        self.send_header("Content-Type", "application/toml")
        self.end_headers()
        self.wfile.write(told)

    def config(self) -> bytes:
        return CRIO

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        del format, args

    def address_string(self) -> str:
        return "unix"


class _NoCrio(_Crio):
    def config(self) -> bytes:
        return b""


class _Junk(_Crio):
    def config(self) -> bytes:
        return b"="


@contextmanager
def serving(place: Path, handler: type[_Crio]) -> Generator[None]:
    with ThreadingUnixStreamServer(str(place), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(5)


def test_crios_configuration_is_read_over_its_socket(place: Path) -> None:
    with serving(place, _Crio):
        assert cri._crio_config(place) == CRIO


def test_crio_tells_its_folders_while_its_status_waits_for_its_plugin(place: Path) -> None:
    with serving(place, _Crio):
        assert cri.cni_folders(place, timeout_s=0.1) == cri.of_crio(CRIO)


@pytest.mark.parametrize("handler", [_NoCrio, _Junk])
def test_a_status_that_waits_is_the_cause_where_no_configuration_tells(
    place: Path, handler: type[_Crio]
) -> None:
    with (
        serving(place, handler),
        pytest.raises(TryAgainError, match=r"/runtime\.v1\.RuntimeService/Status: "),
    ):
        cri.cni_folders(place, timeout_s=0.1)


def test_a_socket_that_is_not_there_is_an_error_of_the_status(place: Path) -> None:
    with pytest.raises(TryAgainError, match="Status: No such file or directory"):
        cri.cni_folders(place)
