"""Where the API server is and who we are there: a pod's service account, or a kubeconfig.

Tokens and certificates live in files that are rotated; they are read again when they change.
Whether a request may be repeated is left to client.py.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from polypod.errors import InvalidConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MAX_TOKEN = 1 << 20


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One API server and one identity."""

    host: str
    port: int
    server_name: str = ""
    """The name the server's certificate must have; empty for `host`."""
    ca_file: Path | None = None
    ca_text: str = ""
    verify: bool = True
    certificate: Path | None = None
    key: Path | None = None
    token: Callable[[], str] = msgspec.field(default=lambda: "")
    """Returns the newest bearer token, empty for none."""
    refuse_token: Callable[[], None] = msgspec.field(default=lambda: None)
    """Is told that the server refused the token, so that the next one is fetched anew."""
    proxy: tuple[str, int] | None = None
    tls: bool = True


class TokenFile:
    """A bearer token in a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        """Keep the place; it is read at the first question."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        """Return the token, the last known one while the file cannot be read."""
        with self._lock:
            try:
                stat = self._path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if stamp != self._stamp:
                    with self._path.open("rb") as file:
                        self._token = file.read(MAX_TOKEN).decode("ascii", "ignore").strip()
                    self._stamp = stamp
            except OSError:
                return self._token
            return self._token

    def refuse(self) -> None:
        """Forget the token: the server does not take it any more."""
        with self._lock:
            self._stamp = None


def in_cluster(
    environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT
) -> Access:
    """Return the access that the kubelet gives every pod.

    Raises:
        InvalidConfigError: this process is not in a pod, or has no service account.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdigit():
        raise InvalidConfigError(
            "KUBERNETES_SERVICE_HOST is not set: this process is not in a pod",
            hint="give --kubeconfig FILE, or --manifests DIR to work without an API server",
        )
    if not (folder / "token").exists():
        raise InvalidConfigError(
            f"there is no service account token in {folder}",
            hint="the pod needs automountServiceAccountToken",
        )
    token = TokenFile(folder / "token")
    return Access(
        host=host,
        port=int(port),
        ca_file=folder / "ca.crt",
        token=token,
        refuse_token=token.refuse,
    )


class Trust:
    """The TLS settings for an access, made anew when a certificate file changes."""

    def __init__(self, access: Access) -> None:
        """Keep the access; files are read at the first question."""
        self._access = access
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the newest settings; the same object while nothing changed.

        Raises:
            InvalidConfigError: a certificate or key cannot be read.
        """
        with self._lock:
            stamp = self._newest()
            if self._context is None or stamp != self._stamp:
                self._context = self._make()
                self._stamp = stamp
            return self._context

    def _newest(self) -> tuple[int, ...]:
        found: list[int] = []
        for path in (self._access.ca_file, self._access.certificate, self._access.key):
            if path is None:
                continue
            try:
                stat = path.stat()
            except OSError:
                continue
            found += [stat.st_mtime_ns, stat.st_ino]
        return tuple(found)

    def _make(self) -> ssl.SSLContext:
        access = self._access
        try:
            context = ssl.create_default_context(
                cafile=str(access.ca_file) if access.ca_file else None,
                cadata=access.ca_text or None,
            )
            if access.certificate is not None:
                context.load_cert_chain(access.certificate, access.key)
        except (OSError, ValueError) as error:
            raise InvalidConfigError(
                f"the API server's or our own certificate cannot be used: {error}",
                hint="look at certificate-authority, client-certificate and client-key",
            ) from error
        if not access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
