"""A folder with the socket and the spool, the shim's command, and a daemon of one thread."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polypod.daemon.frames import Deadline
from polypod.daemon.wire import Ran, Run, WireRequest, receive_request, run_in_shim, send_result

Serve = Callable[[socket.socket], None]


def receive(connection: socket.socket) -> WireRequest:
    """The shim's request, as the daemon reads it."""
    request = receive_request(connection, Deadline(30))
    assert request is not None
    return request


@dataclass(slots=True)
class Node:
    """Where one shim is called."""

    program: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def spool(self) -> Path:
        return self.folder / "var" / "spool"

    def variables(self, command: str | None, **extra: str) -> dict[str, str]:
        own = {"POLYPOD_SOCKET": str(self.socket), "POLYPOD_SPOOL": str(self.spool)}
        own |= {"POLYPOD_WAIT_MS": "100", "PATH": os.environ["PATH"], **extra}
        if command is not None:
            own["CNI_COMMAND"] = command
        return own

    def call(self, command: str | None, stdin: bytes = b"{}", **extra: str) -> Any:
        return subprocess.run(
            self.program,
            input=stdin,
            capture_output=True,
            env=self.variables(command, **extra),
            timeout=60,
            check=False,
        )

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start the shim with an empty stdin and leave it running."""
        return subprocess.Popen(
            self.program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self.variables(command),
        )

    @contextlib.contextmanager
    def daemon(self, *serves: Serve) -> Generator[None]:
        """Serve one connection after the other; what a server raises fails the test."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for serve in serves:
                    connection, _ = listener.accept()
                    with connection:
                        serve(connection)
            except BaseException as error:
                failures.append(error)

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen(8)
            listener.settimeout(60)
            thread = threading.Thread(target=work)
            thread.start()
            try:
                yield
            finally:
                thread.join()
        assert not failures, failures


def error_of(done: Any) -> dict[str, Any]:
    assert done.returncode == 1, done
    answer: dict[str, Any] = json.loads(done.stdout)
    assert list(answer) == ["code", "msg", "details"]
    assert done.stdout.startswith(b'{\n    "code"') and not done.stdout.endswith(b"\n")
    assert b"Sanitizer" not in done.stderr
    return answer


def running(run: Run, into: list[Ran]) -> Serve:
    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        into.append(run_in_shim(connection, run))
        send_result(connection, 0, b"done")

    return serve


def script(folder: Path, body: str) -> str:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)
