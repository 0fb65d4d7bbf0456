"""The tuning plugin's configuration: its keys, what args.cni overrides, and names of sysctls."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from polypod.cni import fields
from polypod.cni.quote import quoted
from polypod.errors import PluginError
from polypod.plugins import mac_choice
from polypod.plugins._shape import Call

_DIRECTORY = "/run/cni/tuning"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One call's configuration, validated; None is not configured."""

    sysctls: Mapping[str, str]
    """Values by name as the user wrote it."""
    mac: str
    promisc: bool | None
    mtu: int
    allmulti: bool | None
    tx_queue_len: int | None

    def changes_link(self) -> bool:
        """Tell whether an attribute of the link is to change."""
        return bool(
            self.mac
            or self.mtu
            or self.promisc
            or self.allmulti is not None
            or self.tx_queue_len is not None
        )


def read(call: Call) -> Settings:
    """Validate the configuration; args.cni wins over the plain keys.

    Raises:
        PluginError: a MAC or a sysctl that cannot be used, or CNI_ARGS.
        DecodeError: a key of the wrong JSON type.
    """
    config, over = call.config, mac_choice.cni_args(call.config)
    asked = mac_choice.from_arguments(call.arguments)
    mac = fields.text(over, "mac") or mac_choice.from_runtime(config) or asked
    sysctls = {**_texts(config), **_texts(over)}
    for name in sysctls:
        sysctl_key(name, call.ifname)
    fields.text(config, "dataDir")
    length = fields.unsigned(over, "txQLen")
    return Settings(
        sysctls=sysctls,
        mac=mac_choice.checked(mac or fields.text(config, "mac")),
        promisc=_either(config, over, "promisc"),
        mtu=fields.unsigned(over, "mtu") or fields.unsigned(config, "mtu") or 0,
        allmulti=_either(config, over, "allmulti"),
        tx_queue_len=fields.unsigned(config, "txQLen") if length is None else length,
    )


def _texts(source: Mapping[str, object]) -> dict[str, str]:
    table = fields.table(source, "sysctl") or {}
    return {name: fields.text(table, name) for name in table}


def _either(config: Mapping[str, object], over: Mapping[str, object], key: str) -> bool | None:
    for source in (over, config):
        if fields.get(source, key) is not None:
            return fields.flag(source, key)
    return None


def sysctl_key(name: str, ifname: str) -> str:
    """Return a sysctl's key in path form; dots separate, IFNAME stands for the link's name.

    Raises:
        PluginError: it lies outside net/.
    """
    path = name.replace(".", "/").replace("IFNAME", ifname, 1)
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    if len(parts) < 2 or parts[0] != "net" or "\0" in path:
        raise PluginError(f"invalid net sysctl key: {quoted(path)}")
    return "/".join(parts)


def backup_directory(config: Mapping[str, object]) -> str:
    """Return where backups are kept; a value of another type counts as absent."""
    found = fields.get(config, "dataDir")
    return found if isinstance(found, str) and found else _DIRECTORY
