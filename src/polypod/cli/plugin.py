"""`polypod plugin TYPE`, or an executable of that name: an ordinary CNI plugin process.

Follows the process contract of the reference's executables; VERSION imports next to nothing.
"""

from __future__ import annotations

import os
import sys

from polypod.cni.labels import ALL_VERSIONS, NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STDIN_LIMIT = 1 << 20


def main(type_: str) -> int:
    """Run one command from environment and stdin; return the exit code."""
    code, stdout, stderr = run(type_, os.environ, lambda: sys.stdin.buffer.read(STDIN_LIMIT + 1))
    sys.stderr.write(stderr)
    sys.stdout.buffer.write(stdout)
    sys.stdout.flush()
    return code


def run(
    type_: str, environment: Mapping[str, str], read: Callable[[], bytes]
) -> tuple[int, bytes, str]:
    """Run one command; return exit code, stdout and stderr.

    Without a command it says what it is, as the reference does; VERSION leaves stdin alone.
    """
    command = environment.get("CNI_COMMAND", "")
    if not command:
        spoken = ", ".join(ALL_VERSIONS)
        return 0, b"", f"CNI {type_} plugin polypod\nCNI protocol versions supported: {spoken}\n"
    if command == "VERSION":
        known = ",".join(f'"{version}"' for version in ALL_VERSIONS)
        return 0, f'{{"cniVersion":"{NEWEST}","supportedVersions":[{known}]}}\n'.encode(), ""
    from polypod.cli import standalone

    return (*standalone.call(type_, environment, read()), "")
