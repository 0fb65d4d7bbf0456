"""`polypod plugin TYPE`, or an executable of that name: an ordinary CNI plugin process.

Follows the process contract of the reference's executables; VERSION imports next to nothing.
"""

from __future__ import annotations

import os
import sys

from polypod.cni.labels import ALL_VERSIONS

COMMANDS_OF = "CNI protocol versions supported: "


def main(type_: str) -> int:
    """Run one command from environment and stdin; return the exit code."""
    command = os.environ.get("CNI_COMMAND", "")
    if not command:
        sys.stderr.write(f"CNI {type_} plugin polypod\n{COMMANDS_OF}{', '.join(ALL_VERSIONS)}\n")
        return 0
    if command == "VERSION":
        known = ",".join(f'"{version}"' for version in ALL_VERSIONS)
        sys.stdout.write(f'{{"cniVersion":"{ALL_VERSIONS[-1]}","supportedVersions":[{known}]}}\n')
        return 0
    code, stdout = run(type_, dict(os.environ), sys.stdin.buffer.read((1 << 20) + 1))
    sys.stdout.buffer.write(stdout)
    sys.stdout.flush()
    return code


def run(type_: str, environment: dict[str, str], stdin: bytes) -> tuple[int, bytes]:
    """Run one command; return exit code and stdout."""
    from polypod.cli.standalone import call

    return call(type_, environment, stdin)
