"""A kubeconfig file as kubectl reads it: cluster, user and how the user proves who they are.

Token, token file, client certificate, and exec plugins (client.authentication.k8s.io v1 and
v1beta1); proxy-url and tls-server-name. Basic authentication and auth-provider are gone from
Kubernetes and are refused by name.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import yaml

from polypod.errors import InvalidConfigError
from polypod.kube.access import Access, TokenFile
from polypod.kube.exec_credential import ExecCredential, read_exec

Table = Mapping[str, object]
MAX_BYTES = 4 << 20


def read(path: Path, *, context: str = "") -> Access:
    """Return the access that a kubeconfig describes.

    Raises:
        InvalidConfigError: the file, or what it names, cannot be used.
    """
    config = _load(path)
    wanted = context or _text(config, "current-context")
    chosen = _named(config, "contexts", "context", wanted, path)
    cluster = _named(config, "clusters", "cluster", _text(chosen, "cluster"), path)
    user = _named(config, "users", "user", _text(chosen, "user"), path)
    for gone in ("auth-provider", "username"):
        if gone in user:
            raise InvalidConfigError(
                f"{path}: {gone} is not supported",
                hint="use a token, a client certificate or an exec plugin",
            )
    server = urlsplit(_text(cluster, "server"))
    if server.scheme not in {"http", "https"} or not server.hostname:
        raise InvalidConfigError(f"{path}: {_text(cluster, 'server')[:100]!r} is no server")
    proxy = urlsplit(_text(cluster, "proxy-url"))
    if proxy.scheme not in {"", "http"}:
        raise InvalidConfigError(f"{path}: a proxy is reached by http, not {proxy.scheme}")
    identity = _identity(user, path)
    return Access(
        host=server.hostname,
        port=server.port or (443 if server.scheme == "https" else 80),
        server_name=_text(cluster, "tls-server-name"),
        ca_file=_file(cluster, "certificate-authority", path),
        ca_text=_inline(cluster, "certificate-authority-data"),
        verify=cluster.get("insecure-skip-tls-verify") is not True,
        certificate=_certificate(user, "client-certificate", path),
        key=_certificate(user, "client-key", path),
        token=identity[0],
        refuse_token=identity[1],
        proxy=(proxy.hostname, proxy.port or 80) if proxy.hostname else None,
        tls=server.scheme == "https",
    )


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the kubeconfig that kubectl would use (the first one of several)."""
    named = environment.get("KUBECONFIG", "").split(":")[0]
    return Path(named) if named else Path.home() / ".kube" / "config"


def _load(path: Path) -> Table:
    try:
        with path.open("rb") as file:
            config = yaml.safe_load(file.read(MAX_BYTES))
    except OSError as error:
        raise InvalidConfigError(f"kubeconfig {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidConfigError(f"kubeconfig {path} is not YAML") from error
    if not isinstance(config, dict):
        raise InvalidConfigError(f"kubeconfig {path} is not an object")
    return cast("Table", config)


def _text(table: Table, key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _named(config: Table, plural: str, single: str, name: str, path: Path) -> Table:
    entries = config.get(plural)
    for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            table = cast("Table", entry)
            inner = table.get(single)
            if table.get("name") == name and isinstance(inner, dict):
                return cast("Table", inner)
    raise InvalidConfigError(
        f"kubeconfig {path} has no {single} {name[:100]!r}",
        hint="choose one with --context, or set current-context",
    )


def _file(table: Table, key: str, path: Path) -> Path | None:
    """Return a file that is named relative to the kubeconfig."""
    named = _text(table, key)
    return path.parent / named if named else None


def _inline(table: Table, key: str) -> str:
    try:
        return base64.b64decode(_text(table, key), validate=True).decode("ascii")
    except ValueError as error:
        raise InvalidConfigError(f"kubeconfig: {key} is not base64") from error


def _certificate(user: Table, key: str, path: Path) -> Path | None:
    """Return the file; one that is written inline is kept in memory, for OpenSSL wants a path."""
    inline = _inline(user, f"{key}-data")
    if not inline:
        return _file(user, key, path)
    fd = os.memfd_create(key, os.MFD_CLOEXEC)
    os.write(fd, inline.encode("ascii"))
    return Path(f"/proc/self/fd/{fd}")


def _identity(user: Table, path: Path) -> tuple[Callable[[], str], Callable[[], None]]:
    """Return who gives the token, and who is told when it is refused."""
    if _text(user, "token"):
        token = _text(user, "token")
        return lambda: token, lambda: None
    named = _file(user, "tokenFile", path)
    if named is not None:
        source = TokenFile(named)
        return source, source.refuse
    program = user.get("exec")
    if isinstance(program, dict):
        credential = ExecCredential(read_exec(cast("Table", program), path.parent))
        return credential, credential.refuse
    return lambda: "", lambda: None
