"""Says a node's links, modules and sysctls in the words of one release of Talos.

Until 1.11 everything lies in one document, below `machine`; since 1.12 a link is a document of its
own, since 1.14 a module, the sysctls and a manifest too.
"""

from __future__ import annotations

from polypod.errors import InvalidConfigError
from polypod.install.talos_releases import Release, has_to_be_loaded
from polypod.install.talos_settings import Bond, Bridge, Link, Route, Settings, every

Document = dict[str, object]
MANIFEST = "polypod"


def documents(settings: Settings, release: Release, manifest: str = "") -> list[Document]:
    """Return the documents of a patch; a manifest is one that Talos applies by itself.

    Raises:
        InvalidConfigError: this release cannot say it.
        UnsupportedError: its kernel lacks a module.
    """
    modules = {
        name: parameters
        for name, parameters in settings.modules.items()
        if has_to_be_loaded(name, release)
    }
    machine: Document = {}
    found: list[Document] = []
    if release.has_link_documents:
        found += _link_documents(settings)
    elif any(True for _ in every(settings)):
        machine["network"] = {"interfaces": _interfaces(settings)}
    cluster: Document = {}
    if release.has_system_documents:
        found += _system_documents(modules, settings.sysctls, manifest)
    else:
        machine |= _system(modules, settings.sysctls)
        if manifest:
            cluster["inlineManifests"] = [{"name": MANIFEST, "contents": manifest}]
    sections = {"machine": machine, "cluster": cluster}
    old: Document = {name: section for name, section in sections.items() if section}
    return [old, *found] if old else found


# --- since 1.12: a document a link ---------------------------------------------------------------


def _document(kind: str, name: str, **more: object) -> Document:
    return {"apiVersion": "v1alpha1", "kind": kind, "name": name, **more}


def _link_documents(settings: Settings) -> list[Document]:
    found = [
        _document("LinkConfig", name, **_new(link))
        for name, link in settings.links.items()
        if _new(link)
    ]
    found += [
        _document("BondConfig", name, links=list(bond.links), bondMode=bond.mode)
        | _bond_options(bond)
        | _new(bond)
        for name, bond in settings.bonds.items()
    ]
    found += [
        _document("VLANConfig", name, parent=vlan.parent, vlanID=vlan.id, **_new(vlan))
        for name, vlan in settings.vlans.items()
    ]
    found += [
        _document("BridgeConfig", name, links=list(bridge.links), stp={"enabled": bridge.stp})
        | ({"vlan": {"filtering": True}} if bridge.filtering else {})
        | _new(bridge)
        for name, bridge in settings.bridges.items()
    ]
    found += [_document("DHCPv4Config", name) for name, link in every(settings) if link.dhcp]
    return found


def _new(link: Link) -> Document:
    found: Document = {"mtu": link.mtu} if link.mtu is not None else {}
    if link.addresses:
        found["addresses"] = [{"address": address} for address in link.addresses]
    if link.routes:
        found["routes"] = [_route(route, to="destination") for route in link.routes]
    return found


def _system_documents(
    modules: dict[str, tuple[str, ...]], sysctls: dict[str, str], manifest: str
) -> list[Document]:
    found = [
        _document("KernelModuleConfig", name, **_parameters(parameters))
        for name, parameters in modules.items()
    ]
    if sysctls:
        found.append({"apiVersion": "v1alpha1", "kind": "SysctlConfig", "params": dict(sysctls)})
    if manifest:
        found.append(_document("KubeInlineManifestConfig", MANIFEST, manifest=manifest))
    return found


# --- until 1.11: everything below machine --------------------------------------------------------


def _interfaces(settings: Settings) -> list[Document]:
    found: dict[str, Document] = {
        name: {"interface": name, **_old(link)} for name, link in settings.links.items()
    }
    for name, bond in settings.bonds.items():
        options = {"mode": bond.mode, "interfaces": list(bond.links), **_bond_options(bond)}
        found[name] = {"interface": name, "bond": options, **_old(bond)}
    for name, vlan in settings.vlans.items():
        if name != f"{vlan.parent}.{vlan.id}":
            raise InvalidConfigError(
                f"before Talos 1.12 a VLAN's link is called {vlan.parent}.{vlan.id}, not {name}",
                hint="use that name, here and in the networks that use it",
            )
    for name, bridge in settings.bridges.items():
        found[name] = {"interface": name, "bridge": _old_bridge(bridge), **_old(bridge)}
    for parent in {vlan.parent: None for vlan in settings.vlans.values()}:
        entry = found.setdefault(parent, {"interface": parent})
        entry["vlans"] = [
            {"vlanId": vlan.id, **_old(vlan)}
            for vlan in settings.vlans.values()
            if vlan.parent == parent
        ]
    return list(found.values())


def _old(link: Link) -> Document:
    found: Document = {"dhcp": True} if link.dhcp else {}
    if link.mtu is not None:
        found["mtu"] = link.mtu
    if link.addresses:
        found["addresses"] = list(link.addresses)
    if link.routes:
        found["routes"] = [_route(route, to="network") for route in link.routes]
    return found


def _old_bridge(bridge: Bridge) -> Document:
    found: Document = {"interfaces": list(bridge.links), "stp": {"enabled": bridge.stp}}
    return found | ({"vlan": {"vlanFiltering": True}} if bridge.filtering else {})


def _system(modules: dict[str, tuple[str, ...]], sysctls: dict[str, str]) -> Document:
    found: Document = {}
    if modules:
        named = [{"name": name, **_parameters(given)} for name, given in modules.items()]
        found["kernel"] = {"modules": named}
    if sysctls:
        found["sysctls"] = dict(sysctls)
    return found


# --- what both call the same ---------------------------------------------------------------------


def _bond_options(bond: Bond) -> Document:
    found: Document = {"miimon": bond.miimon}
    if bond.lacp_rate is not None:
        found["lacpRate"] = bond.lacp_rate
    if bond.xmit_hash_policy is not None:
        found["xmitHashPolicy"] = bond.xmit_hash_policy
    return found


def _parameters(given: tuple[str, ...]) -> Document:
    return {"parameters": list(given)} if given else {}


def _route(route: Route, *, to: str) -> Document:
    """Return a route; the old form has no way to leave a default route's destination out."""
    found: Document = {"gateway": route.via}
    if route.to:
        found = {to: route.to, **found}
    elif to == "network":
        found = {to: "::/0" if ":" in route.via else "0.0.0.0/0", **found}
    return found | ({"metric": route.metric} if route.metric is not None else {})
