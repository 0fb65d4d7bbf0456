"""What a switch means for network definitions: their plugins, and keys that are taken otherwise."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping

from polypod.cni import fields, lists, node
from polypod.cni.config import check_version
from polypod.cni.lists import NetworkList
from polypod.doctor.facts import Facts
from polypod.doctor.finding import Effect, Finding
from polypod.doctor.rules import validate
from polypod.errors import InvalidConfigError, PolypodError
from polypod.ipam import IPAM
from polypod.nad import definition as nad
from polypod.nad.definition import Definition
from polypod.plugins import PLUGINS

Table = Mapping[str, object]
STATUS = "k8s.v1.cni.cncf.io/network-status"
ROOTS = ("/var/lib/cni", "/run/cni", "/var/lib/polypod")
ETC = "/etc/resolv.conf"
META = "A definition or a primary of type `polypod`, `multus` or `multus-shim` is refused."
NFT = (
    "Masquerading and spoof checks are made with nftables, whatever `ipMasqBackend` says; the value"
    " `iptables` is taken."
)
RELATIVE = "A relative `dataDir` or `resolvConf` is refused."
OUTSIDE = (
    "A `dataDir` must lie below `/var/lib/cni`, `/run/cni` or the state folder, a `resolvConf` too"
    " unless it is `/etc/resolv.conf`; `--data-root` adds one."
)
SYSCTLS = (
    "Sysctls are put back by DEL when the daemon made the attachment."
    " Called by its name, it behaves as there."
)
ONE_DEFAULT = (
    "`isDefaultGateway` together with a default route of the address plugin"
    " makes one default route."
)
UNNAMED = '`"bridge": ""` means `cni0`.'
HOST_BITS = "A route's `dst` with host bits is taken as its network."
NO_VERSION = "A list without `cniVersion` has the same version in ADD and DEL."
LEAKS = "The runtime's `runtimeConfig` never reaches secondary networks."
DISABLED = "`disableGC` and `disableCheck` are honoured."


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Say of each definition what is the same, what is not, and what cannot be used."""
    plugins = facts.node.plugins if facts.node else None
    working = attached(facts)
    return tuple(
        finding
        for definition in facts.definitions
        for finding in _one(definition, plugins, is_working=_name(definition) in working)
    )


def attached(facts: Facts) -> frozenset[str]:
    """Return the definitions that pods have now, as their network-status says."""
    found: set[str] = set()
    for pod in facts.pods:
        text = pod.annotations.get(STATUS, "")
        try:
            wrapped = fields.decode_object(b'{"all":' + text.encode() + b"}", STATUS)
            found |= {fields.text(entry, "name") for entry in fields.objects(wrapped, "all") or ()}
        except PolypodError:
            continue
    return frozenset(found)


def _name(definition: Definition) -> str:
    return f"{definition.namespace}/{definition.name}"


def parse(definition: Definition) -> NetworkList | None:
    """Return a definition's network as an ADD reads it, None when it only names a file.

    Raises:
        PolypodError: it cannot be used.
    """
    raw = nad.network_config(definition)
    if raw is None:
        return None
    network = lists.parse_list(raw)
    check_version("ADD", network.cni_version)
    return network


def types(network: NetworkList) -> Iterator[str]:
    """Yield every plugin that a network runs, those for addresses included."""
    for plugin in network.plugins:
        yield fields.text(plugin, "type")
        ipam = fields.text(_ipam(plugin), "type")
        if ipam:
            yield ipam


def _one(
    definition: Definition, installed: frozenset[str] | None, *, is_working: bool
) -> Iterator[Finding]:
    subject = f"definition {_name(definition)}"
    try:
        network = parse(definition)
        if network is None:
            yield Finding(
                effect=Effect.SAME,
                subject=subject,
                text="has no configuration of its own: its name is looked for in confDir",
                hint="keep the node's files",
            )
            return
        found = [*_types(subject, network, installed), *_keys(subject, network)]
        validate.check(network)
    except PolypodError as error:
        yield Finding(
            effect=Effect.BLOCKS if is_working else Effect.BROKEN,
            subject=subject,
            text=f"{'works now, but is refused' if is_working else 'is unusable'}: {error.cause}",
            hint=error.hint,
        )
        return
    yield from found
    if not any(finding.effect is not Effect.SAME for finding in found):
        chain = ", ".join(dict.fromkeys(types(network)))
        yield Finding(effect=Effect.SAME, subject=subject, text=f"behaves the same ({chain})")


def _types(
    subject: str, network: NetworkList, installed: frozenset[str] | None
) -> Iterator[Finding]:
    for type_ in dict.fromkeys(types(network)):
        if type_ in node.META_PLUGINS:
            yield Finding(
                effect=Effect.BLOCKS,
                subject=subject,
                text=f"names the meta-plugin {type_}",
                row=META,
            )
        elif type_ in PLUGINS or type_ in IPAM:
            continue
        elif installed is not None and type_ not in installed:
            yield Finding(
                effect=Effect.BROKEN,
                subject=subject,
                text=f"needs the plugin {type_}, which this node does not have",
                hint="install its executable where the runtime looks for plugins",
            )
        else:
            yield Finding(
                effect=Effect.SAME,
                subject=subject,
                text=f"needs the plugin {type_}, which is not built in and is run as before",
                hint="keep its executable, and its own DaemonSet if it has one",
            )


def _keys(subject: str, network: NetworkList) -> Iterator[Finding]:
    for text, row, effect in _facts_of_list(network):
        yield Finding(effect=effect, subject=subject, text=text, row=row)
    for plugin in network.plugins:
        type_ = fields.text(plugin, "type")
        for check in (*_BY_TYPE.get(type_, ()), *(_EVERY if type_ in PLUGINS else ())):
            for text, row, effect in check(plugin):
                yield Finding(effect=effect, subject=subject, text=text, row=row)


Said = tuple[str, str, Effect]


def _facts_of_list(network: NetworkList) -> Iterator[Said]:
    decoded = fields.decode_object(network.raw, "definition")
    if network.is_list and not fields.text(decoded, "cniVersion"):
        yield "is a list without cniVersion", NO_VERSION, Effect.DIFFERS
    if network.disable_check or network.disable_gc:
        yield "switches CHECK or GC off, and that holds now", DISABLED, Effect.DIFFERS
    for plugin in network.plugins:
        declared = fields.table(plugin, "capabilities") or {}
        leaking = [name for name in ("portMappings", "bandwidth") if declared.get(name) is True]
        if leaking:
            said = f"no longer gets the pod's own {' and '.join(leaking)}"
            yield said, LEAKS, Effect.DIFFERS


def _masquerading(plugin: Table) -> Iterator[Said]:
    if fields.get(plugin, "ipMasq") is True and fields.text(plugin, "ipMasqBackend") != "nftables":
        yield "masquerades, with nftables instead of iptables", NFT, Effect.DIFFERS


def _bridge_name(plugin: Table) -> Iterator[Said]:
    if fields.get(plugin, "bridge") == "":
        yield "works, though its bridge has no name", UNNAMED, Effect.DIFFERS


def _gateways(plugin: Table) -> Iterator[Said]:
    is_default = fields.get(plugin, "isDefaultGateway") is True
    if is_default and any(dst in {"0.0.0.0/0", "::/0"} for dst in _destinations(plugin)):
        yield "works, and has one default route", ONE_DEFAULT, Effect.DIFFERS


def _sysctls(plugin: Table) -> Iterator[Said]:
    if fields.table(plugin, "sysctl"):
        yield "has its sysctls put back when an interface goes", SYSCTLS, Effect.DIFFERS


def _paths(plugin: Table) -> Iterator[Said]:
    ipam = _ipam(plugin)
    if fields.text(ipam, "type") != "host-local":
        return
    for key in ("dataDir", "resolvConf"):
        path = fields.text(ipam, key)
        if path and not path.startswith("/"):
            yield f"has a relative {key}", RELATIVE, Effect.BLOCKS
        elif (
            path
            and path != ETC
            and not any(path == root or path.startswith(f"{root}/") for root in ROOTS)
        ):
            yield f"reads or writes {path} ({key})", OUTSIDE, Effect.BLOCKS


def _routes(plugin: Table) -> Iterator[Said]:
    for text in _destinations(plugin):
        try:
            if ipaddress.ip_interface(text).ip != ipaddress.ip_network(text, strict=False)[0]:
                yield f"works, though its route to {text} has host bits", HOST_BITS, Effect.DIFFERS
        except ValueError as error:
            raise InvalidConfigError(f"route to {text[:60]!r}: no network") from error


def _ipam(plugin: Table) -> Table:
    return fields.table(plugin, "ipam") or {}


def _destinations(plugin: Table) -> list[str]:
    return [fields.text(route, "dst") for route in fields.objects(_ipam(plugin), "routes") or ()]


_EVERY: tuple[Callable[[Table], Iterator[Said]], ...] = (_paths, _routes)
_BY_TYPE: Mapping[str, tuple[Callable[[Table], Iterator[Said]], ...]] = {
    "bridge": (_masquerading, _bridge_name, _gateways),
    "tuning": (_sysctls,),
}
ROWS = (
    *(META, NFT, RELATIVE, OUTSIDE, SYSCTLS, ONE_DEFAULT, UNNAMED, HOST_BITS),
    *(NO_VERSION, LEAKS, DISABLED),
)
"""The rows of the page that these rules decide on."""
