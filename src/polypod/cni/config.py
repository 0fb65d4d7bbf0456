"""The network configuration on stdin: the keys every plugin shares, and its version's limits.

Each plugin reads its own keys from `raw`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from polypod.cni import fields, versions
from polypod.cni.labels import ALL_VERSIONS, OLDEST, numbers
from polypod.cni.quote import quoted, quoted_list
from polypod.cni.result import Result
from polypod.errors import DecodeError, IncompatibleVersionError, InvalidConfigError

STDIN_LIMIT = 1 << 20
name_pattern = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_since = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin's configuration as the runtime sends it."""

    name: str
    cni_version: str
    type: str
    raw: Mapping[str, object]

    def previous(self) -> Result | None:
        """Return prevResult, read in the configuration's version; None when absent.

        Raises:
            DecodeError: prevResult is not a result of that version.
        """
        table = fields.table(self.raw, "prevResult")
        if table is None:
            return None
        return versions.parse(table, self.cni_version)


def decode(stdin: bytes) -> dict[str, object]:
    """Decode stdin; null is an empty object.

    Raises:
        DecodeError: too long, not JSON, or not an object.
    """
    if len(stdin) > STDIN_LIMIT:
        raise DecodeError(f"error unmarshall network config: longer than {STDIN_LIMIT} bytes")
    if stdin.strip() == b"null":
        return {}
    return fields.decode_object(stdin, "error unmarshall network config")


def check_name(raw: Mapping[str, object]) -> str:
    """Return the network's name.

    Raises:
        DecodeError: not a string.
        InvalidConfigError: missing, or with signs that are not allowed.
    """
    try:
        name = fields.text(raw, "name")
    except DecodeError as error:
        raise DecodeError(f"error unmarshall network config: {error.cause}") from error
    if not name:
        raise InvalidConfigError("missing network name")
    if not name_pattern.fullmatch(name):
        raise InvalidConfigError("invalid characters found in network name", details=name)
    return name


def version_of(raw: Mapping[str, object]) -> str:
    """Return cniVersion, 0.1.0 when it is missing or empty.

    Raises:
        DecodeError: not a string.
    """
    try:
        return fields.text(raw, "cniVersion") or OLDEST
    except DecodeError as error:
        raise DecodeError(f"decoding version from network config: {error.cause}") from error


def build(raw: Mapping[str, object]) -> NetworkConfig:
    """Return the configuration of a decoded object whose name was checked.

    Raises:
        DecodeError: cniVersion or type is not a string.
    """
    return NetworkConfig(
        name=fields.text(raw, "name"),
        cni_version=version_of(raw),
        type=fields.text(raw, "type"),
        raw=raw,
    )


def parse_config(stdin: bytes) -> NetworkConfig:
    """Read stdin in the order the reference does: JSON, name, version.

    Raises:
        DecodeError: not a JSON object, or a shared key of the wrong type.
        InvalidConfigError: the name is missing or malformed.
    """
    raw = decode(stdin)
    check_name(raw)
    return build(raw)


def check_version(command: str, version: str, supported: tuple[str, ...] = ALL_VERSIONS) -> None:
    """Refuse a version the plugin does not speak, or one that lacks the command.

    Raises:
        IncompatibleVersionError: either of the two.
        DecodeError: CHECK, GC or STATUS with a version that is not three numbers.
    """
    command = str(getattr(command, "value", command))
    least = _since.get(command)
    if least is not None:
        _check_command(command, version, least, supported)
    if version not in supported:
        raise IncompatibleVersionError(
            "incompatible CNI versions",
            details=f"config is {quoted(version[:100])}, plugin supports {quoted_list(supported)}",
        )


def _check_command(command: str, version: str, least: str, supported: tuple[str, ...]) -> None:
    asked = numbers(version)
    needed = numbers(least)
    if asked is None or needed is None:
        raise DecodeError(f"invalid version {quoted(version)}")
    if asked < needed:
        raise IncompatibleVersionError(f"config version does not allow {command}")
    if all((numbers(spoken) or needed) < asked for spoken in supported):
        raise IncompatibleVersionError(f"plugin version does not allow {command}")
