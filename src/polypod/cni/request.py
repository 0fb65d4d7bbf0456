"""One call of the runtime: the CNI_* variables and stdin, checked in the reference's order.

What the call does is decided by the engine; CNI_ARGS stay text here (arguments.py reads them).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

import msgspec

from polypod.cni import config
from polypod.cni.config import NetworkConfig
from polypod.cni.labels import ALL_VERSIONS, NEWEST
from polypod.errors import InvalidEnvironmentError

VARIABLE_LIMIT = 64 << 10
CONTAINER_ID_LIMIT = 256
IFNAME_LIMIT = 15


class Command(StrEnum):
    """The verbs of CNI 1.1.0."""

    ADD = "ADD"
    CHECK = "CHECK"
    DEL = "DEL"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


_attachment = frozenset({"ADD", "CHECK", "DEL"})
_required: Mapping[str, frozenset[str]] = {
    "CNI_CONTAINERID": _attachment,
    "CNI_NETNS": frozenset({"ADD", "CHECK"}),
    "CNI_IFNAME": _attachment,
    "CNI_PATH": _attachment | {"GC", "STATUS"},
}
_variables = (
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
    "CNI_NETNS_OVERRIDE",
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call, checked."""

    command: Command
    container_id: str = ""
    netns: str = ""
    ifname: str = ""
    arguments: str = ""
    """CNI_ARGS as they were sent."""
    path: tuple[str, ...] = ()
    netns_override: bool = False
    config: NetworkConfig
    stdin: bytes = b""


def parse(
    environment: Mapping[str, str],
    stdin: bytes,
    *,
    supported: tuple[str, ...] = ALL_VERSIONS,
) -> Request:
    """Check the variables, then stdin, then the command, then the version.

    Raises:
        InvalidEnvironmentError: a variable is missing or malformed, or the command is unknown.
        DecodeError: stdin is not what it should be.
        InvalidConfigError: the network's name is missing or malformed.
        IncompatibleVersionError: the version is not spoken or lacks the command.
    """
    values = _read(environment)
    name = values["CNI_COMMAND"]
    if name == Command.VERSION.value:
        blank = NetworkConfig(name="", cni_version=NEWEST, type="", raw={})
        return Request(command=Command.VERSION, config=blank)
    raw = config.decode(stdin)
    config.check_name(raw)
    try:
        command = Command(name)
    except ValueError:
        raise InvalidEnvironmentError(f"unknown CNI_COMMAND: {name}") from None
    config.check_version(name, config.version_of(raw), supported)
    return Request(
        command=command,
        container_id=values["CNI_CONTAINERID"],
        netns=values["CNI_NETNS"],
        ifname=values["CNI_IFNAME"],
        arguments=values["CNI_ARGS"],
        path=tuple(part for part in values["CNI_PATH"].split(":") if part),
        netns_override=values["CNI_NETNS_OVERRIDE"].lower() in ("1", "true"),
        config=config.build(raw),
        stdin=stdin,
    )


def _read(environment: Mapping[str, str]) -> dict[str, str]:
    values = {name: environment.get(name, "") for name in _variables}
    command = values["CNI_COMMAND"]
    missing: list[str] = []
    for name, value in values.items():
        if len(value) > VARIABLE_LIMIT:
            raise InvalidEnvironmentError(f"{name} is longer than {VARIABLE_LIMIT} characters")
        if not value.isascii():
            _check_text(name, value)
        needed = name == "CNI_COMMAND" or command in _required.get(name, ())
        if needed and not value:
            missing.append(name)
        elif needed and name == "CNI_CONTAINERID":
            check_container_id(value)
        elif needed and name == "CNI_IFNAME":
            check_ifname(value)
    if missing:
        raise InvalidEnvironmentError(f"required env variables [{','.join(missing)}] missing")
    return values


def _check_text(name: str, value: str) -> None:
    """Refuse bytes that were no UTF-8 (they arrive as surrogates): no answer could quote them."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidEnvironmentError(f"{name} is not UTF-8 text") from error


def check_container_id(container_id: str) -> None:
    """Refuse an id that is no file name.

    Raises:
        InvalidEnvironmentError: empty, too long, or with signs that are not allowed.
    """
    if not container_id:
        raise InvalidEnvironmentError("missing containerID")
    if not config.name_pattern.fullmatch(container_id):
        raise InvalidEnvironmentError("invalid characters in containerID", details=container_id)
    if len(container_id) > CONTAINER_ID_LIMIT:
        raise InvalidEnvironmentError(
            "containerID is too long",
            details=f"at most {CONTAINER_ID_LIMIT} characters are allowed",
        )


@lru_cache(maxsize=64)
def check_ifname(ifname: str) -> None:
    """Refuse a name the kernel would not take for a link.

    Raises:
        InvalidEnvironmentError: with the reference's words.
    """
    if not ifname:
        raise InvalidEnvironmentError("interface name is empty")
    if len(ifname.encode(errors="surrogateescape")) > IFNAME_LIMIT:
        raise InvalidEnvironmentError(
            "interface name is too long",
            details="interface name should be less than 16 characters",
        )
    if ifname in (".", ".."):
        raise InvalidEnvironmentError("interface name is . or ..")
    if any(sign in "/:" or sign.isspace() for sign in ifname):
        raise InvalidEnvironmentError("interface name contains / or : or whitespace characters")
    if "%" in ifname or not ifname.isprintable():
        raise InvalidEnvironmentError("interface name contains % or control characters")
