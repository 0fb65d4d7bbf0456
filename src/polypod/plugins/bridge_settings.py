"""The bridge plugin's configuration: its keys, their defaults, and which do not go together."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from polypod.cni import fields
from polypod.cni.quote import quoted
from polypod.cni.result import DNS
from polypod.errors import PluginError
from polypod.plugins import addresses, mac_choice, vlan_trunk
from polypod.plugins._shape import Call

_BACKENDS = ("", "iptables", "nftables")
"""Both names are taken; rules are always made with nftables."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One call's configuration, validated."""

    bridge: str
    is_gateway: bool
    is_default_gateway: bool
    force_address: bool
    masquerade: bool
    mtu: int
    hairpin: bool
    promisc: bool
    vlan: int
    trunk: tuple[int, ...] | None
    """Tagged VLANs; None without the key."""
    keep_vlans: bool
    spoof_check: bool
    detect_duplicates: bool
    down: bool
    """The sandbox's end stays down."""
    isolated: bool
    mac: str
    dns: DNS | None = None
    """None leaves name servers to the lease."""


def read(call: Call) -> Settings:
    """Return the settings, read once a call.

    Raises:
        PluginError: a value or a combination that cannot be used.
        DecodeError: a key of the wrong JSON type.
    """
    known = call.notes.get("bridge")
    if isinstance(known, Settings):
        return known
    call.notes["bridge"] = found = _read(call)
    return found


def _read(call: Call) -> Settings:
    """Validate in the reference's order: VLANs, CNI_ARGS, then what does not go together."""
    config = call.config
    vlan, trunk = vlan_trunk.native(config), vlan_trunk.tagged(config)
    asked = mac_choice.from_arguments(call.arguments)
    mac = mac_choice.from_runtime(config) or fields.text(mac_choice.cni_args(config), "mac")
    is_default_gateway = fields.flag(config, "isDefaultGateway")
    settings = Settings(
        bridge=fields.text(config, "bridge") or "cni0",
        is_gateway=fields.flag(config, "isGateway") or is_default_gateway,
        is_default_gateway=is_default_gateway,
        force_address=fields.flag(config, "forceAddress"),
        masquerade=fields.flag(config, "ipMasq"),
        mtu=fields.unsigned(config, "mtu") or 0,
        hairpin=fields.flag(config, "hairpinMode"),
        promisc=fields.flag(config, "promiscMode"),
        vlan=vlan,
        trunk=trunk,
        keep_vlans=fields.flag(config, "preserveDefaultVlan"),
        spoof_check=fields.flag(config, "macspoofchk"),
        detect_duplicates=fields.flag(config, "enabledad"),
        down=fields.flag(config, "disableContainerInterface"),
        isolated=fields.flag(config, "portIsolation"),
        mac=_mac(mac or asked),
    )
    _combination(call, settings)
    return replace(settings, dns=addresses.own_dns(config))


def _mac(text: str) -> str:
    if not text:
        return ""
    try:
        mac = mac_choice.normal(text)
    except PluginError as error:
        raise PluginError(f"failed to make veth pair: {error.cause}") from error
    if mac_choice.is_multicast(mac):
        raise PluginError("failed to make veth pair: cannot assign requested address")
    return mac


def _combination(call: Call, settings: Settings) -> None:
    if settings.down and addresses.ipam_type(call.config):
        raise PluginError("cannot use IPAM when DisableContainerInterface flag is set")
    if settings.hairpin and settings.promisc:
        raise PluginError("cannot set hairpin mode and promiscuous mode at the same time")
    backend = fields.text(call.config, "ipMasqBackend")
    if settings.masquerade and backend not in _BACKENDS:
        raise PluginError(f"unknown ipmasq backend {quoted(backend)}")
