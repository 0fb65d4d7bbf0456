"""Which MAC a link gets: where it may be asked for, what counts as one, and one made from a name.

The order of precedence differs per plugin and is decided there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from polypod.cni import arguments, fields
from polypod.errors import PluginError

_pattern = re.compile(
    r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}"
    r"|[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){5}"
    r"|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}"
)
_known = frozenset({"MAC"})


def from_runtime(config: Mapping[str, object]) -> str:
    """Return runtimeConfig.mac, empty when absent."""
    return fields.text(fields.table(config, "runtimeConfig") or {}, "mac")


def cni_args(config: Mapping[str, object]) -> Mapping[str, object]:
    """Return args.cni, empty when absent."""
    return fields.table(fields.table(config, "args") or {}, "cni") or {}


def from_arguments(text: str) -> str:
    """Return MAC of CNI_ARGS, empty when absent.

    Raises:
        PluginError: CNI_ARGS is malformed or has keys that nobody here knows.
    """
    return arguments.parse(text, _known).get("MAC", "")


def normal(text: str) -> str:
    """Return a MAC as `aa:bb:cc:dd:ee:ff`.

    Raises:
        PluginError: not six bytes of hexadecimal digits.
    """
    if not _pattern.fullmatch(text):
        raise PluginError(f"address {text}: invalid MAC address")
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def is_multicast(mac: str) -> bool:
    """Tell whether a normal MAC belongs to a group, so that no link can have it."""
    return bool(int(mac[:2], 16) & 1)


def checked(text: str) -> str:
    """Return a normal MAC, empty for empty, with the words of macvlan and tuning.

    Raises:
        PluginError: not a MAC.
    """
    if not text:
        return ""
    try:
        return normal(text)
    except PluginError as error:
        raise PluginError(f"invalid args {text} for MAC addr: {error.cause}") from error


def derived(container_id: str, ifname: str) -> str:
    """Return a locally administered MAC that depends on the attachment alone."""
    digest = sha256(f"{container_id}/{ifname}".encode()).digest()
    first = digest[0] & 0xFC | 0x02
    return ":".join(f"{byte:02x}" for byte in (first, *digest[1:6]))
