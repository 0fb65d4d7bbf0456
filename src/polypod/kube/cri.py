"""The container runtime's word on its CNI folders, asked at its CRI socket.

containerd tells them in the verbose answer to Status; CRI-O does not, but shows its configuration
to HTTP requests at the same socket, also while its plugin, which may be us, lets its Status wait.
Nothing else is asked of a runtime.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from polypod.cni import fields
from polypod.errors import DecodeError, PolypodError, TryAgainError
from polypod.kube import protobuf

STATUS = "/runtime.v1.RuntimeService/Status"
CALL_S = 2.0
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CniFolders:
    """Where a runtime looks for CNI configurations, and for plugins, in order."""

    conf: Path | None = None
    plugins: tuple[Path, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether both are known."""
        return self.conf is not None and bool(self.plugins)


def cni_folders(path: Path, *, timeout_s: float = CALL_S) -> CniFolders:
    """Ask the runtime that listens at a socket.

    Raises:
        PolypodError: nobody listens, the runtime refuses, or does not tell.
    """
    from polypod.kube import grpc

    verbose = protobuf.render((1, 1))
    try:
        answer = grpc.call(path, STATUS, verbose, timeout_s=timeout_s, limit=MAX_BYTES)
    except TryAgainError:
        with contextlib.suppress(PolypodError):
            if (found := of_crio(_crio_config(path, timeout_s))).is_whole:
                return found
        raise
    found = of_status(answer)
    if not found.is_whole:
        found = of_crio(_crio_config(path, timeout_s))
    if not found.is_whole:
        raise DecodeError(
            f"{path}: the runtime does not tell its CNI folders",
            hint="name them: --conf-dir, --shim-dir and --path",
        )
    return found


def of_status(answer: bytes) -> CniFolders:
    """Read them from a verbose status, as containerd gives it.

    Raises:
        DecodeError: it is no status.
    """
    info = {
        protobuf.text(entry, 1): protobuf.text(entry, 2)
        for entry in protobuf.messages(protobuf.parse(answer), 2)
    }
    loaded, config = _object(info.get("cniconfig", "")), _object(info.get("config", ""))
    if loaded.get("PluginConfDir"):  # what its CNI library works with
        return _folders(loaded.get("PluginConfDir"), loaded.get("PluginDirs"))
    cni = _table(config.get("cni"))
    return _folders(cni.get("confDir"), cni.get("binDirs") or [cni.get("binDir")])


def of_crio(config: bytes) -> CniFolders:
    """Read them from CRI-O's configuration.

    Raises:
        DecodeError: it is no TOML.
    """
    try:
        table = tomllib.loads(config.decode())
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the runtime's configuration: {error}") from error
    network = _table(_table(table.get("crio")).get("network"))
    folders = network.get("plugin_dirs") or [network.get("plugin_dir")]
    return _folders(network.get("network_dir"), folders)


def _object(text: str) -> Mapping[str, object]:
    try:
        return fields.decode_object(text.encode(), "runtime status") if text else {}
    except PolypodError:
        return {}


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _folders(conf: object, plugins: object) -> CniFolders:
    listed = cast("Iterable[object]", plugins) if isinstance(plugins, list) else ()
    found = [folder for one in listed if (folder := _folder(one)) is not None]
    return CniFolders(conf=_folder(conf), plugins=tuple(found))


def _folder(value: object) -> Path | None:
    is_path = isinstance(value, str) and value.startswith("/") and "\0" not in value
    return Path(cast("str", value)) if is_path else None


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path, self._timeout_s = str(path), timeout_s

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._path)


def _crio_config(path: Path, timeout_s: float = CALL_S) -> bytes:
    connection = _Connection(path, timeout_s)
    try:
        connection.request("GET", "/config")
        answer = connection.getresponse()
        content = answer.read(MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise TryAgainError(
            f"{path}: the runtime does not tell its CNI folders: {error}",
            hint="name them: --conf-dir, --shim-dir and --path",
        ) from error
    finally:
        connection.close()
    return content if answer.status == http.client.OK else b""
