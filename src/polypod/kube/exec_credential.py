"""Credentials from a program that a kubeconfig names (client.authentication.k8s.io).

Only people's kubeconfigs name programs: the daemon in a pod has a service account instead. The
program runs with the caller's rights, as kubectl would run it; its answer is kept until it expires.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec

from polypod.errors import InvalidConfigError, TryAgainError

GROUP = "client.authentication.k8s.io/"
VERSIONS = frozenset({GROUP + "v1", GROUP + "v1beta1"})
LIMIT_S = 60
EARLY = timedelta(seconds=30)
"""A token is fetched anew this long before it expires."""
MAX_BYTES = 1 << 20


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str]
    version: str
    install_hint: str = ""


def read_exec(table: Mapping[str, object], folder: Path) -> Program:
    """Read a user's `exec` section; a relative command with a slash is beside the kubeconfig.

    Raises:
        InvalidConfigError: no command, or a version that is not spoken.
    """
    command, version = str(table.get("command") or ""), str(table.get("apiVersion") or "")
    if not command or version not in VERSIONS:
        raise InvalidConfigError(
            f"kubeconfig: exec needs a command and an apiVersion of {sorted(VERSIONS)}"
        )
    given = table.get("env")
    pairs = [cast("Mapping[str, object]", e) for e in _list(given) if isinstance(e, dict)]
    return Program(
        command=str(folder / command) if "/" in command else command,
        arguments=tuple(str(word) for word in _list(table.get("args"))),
        environment={str(e.get("name")): str(e.get("value")) for e in pairs},
        version=version,
        install_hint=str(table.get("installHint") or ""),
    )


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


class ExecCredential:
    """Runs the program when a token is needed, and keeps the token until it expires."""

    def __init__(self, program: Program, now: Callable[[], datetime] | None = None) -> None:
        """Keep the program; it runs at the first question."""
        self._program = program
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._token = ""
        self._until: datetime | None = None

    def __call__(self) -> str:
        """Return a token that is still good.

        Raises:
            InvalidConfigError: the program is missing, or its answer is no credential.
            TryAgainError: it failed.
        """
        with self._lock:
            is_old = self._until is not None and self._now() >= self._until - EARLY
            if not self._token or is_old:
                self._fetch()
            return self._token

    def refuse(self) -> None:
        """Forget the token: the server does not take it."""
        with self._lock:
            self._token = ""

    def _fetch(self) -> None:
        answer = self._run()
        try:
            found = json.loads(answer)
            status = found["status"]
            until = status.get("expirationTimestamp")
            self._token = str(status["token"])
            self._until = datetime.fromisoformat(until) if until else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidConfigError(
                f"kubeconfig: {self._program.command} answered without a token"
            ) from error

    def _run(self) -> bytes:
        program = self._program
        asked = {
            "apiVersion": program.version,
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        environment = os.environ | program.environment
        environment["KUBERNETES_EXEC_INFO"] = json.dumps(asked)
        try:
            ran = subprocess.run(
                [program.command, *program.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=LIMIT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise InvalidConfigError(
                f"kubeconfig: {program.command} is not there",
                hint=program.install_hint or "install the program that the kubeconfig names",
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TryAgainError(f"kubeconfig: {program.command} did not answer") from error
        if ran.returncode:
            raise TryAgainError(f"kubeconfig: {program.command} failed with {ran.returncode}")
        return ran.stdout[:MAX_BYTES]
