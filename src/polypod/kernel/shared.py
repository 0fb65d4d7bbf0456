"""Acts on what belongs to nobody alone: bridges, gateway addresses, forwarding."""

from __future__ import annotations

from polypod.errors import KernelError, PluginError, PolypodError, UnsupportedError
from polypod.kernel import links, routes, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, attr, u32
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import HOST, Link

_EEXIST, _EOPNOTSUPP, _EADDRNOTAVAIL = 17, 95, 99
_NEW = NLM_F_CREATE | NLM_F_EXCL
_NATIVE = 1


def add_bridge(op: ops.AddBridge, spaces: Spaces) -> None:
    """Create a bridge unless it is there; an existing one is not changed but for promisc and up."""
    found = spaces.seen(HOST, op.name)
    socket = spaces.socket(HOST)
    if found is None:
        body = links.bridge(op.name, op.mtu, op.mac, vlan_filtering=op.vlan_filtering)
        try:
            socket.one(links.RTM_NEWLINK, _NEW, body)
        except KernelError as error:
            if error.errno != _EEXIST:
                raise _bridge_error(op, error) from error
        with spaces.inside(HOST):
            sysctl.write_if_there(f"net/ipv6/conf/{op.name}/accept_ra", "0")
        found = _bridge(op.name, spaces)
    if found.kind != "bridge":
        raise PluginError(
            f'failed to create bridge "{op.name}": "{op.name}" already exists but is not a bridge'
        )
    flags = links.IFF_UP | (links.IFF_PROMISC if op.promisc else 0)
    if not found.up or (op.promisc and not found.promisc):
        socket.one(links.RTM_NEWLINK, 0, links.header(found.index, flags, flags))
        spaces.keep_index(HOST, op.name, found.index)


def _bridge_error(op: ops.AddBridge, error: KernelError) -> PolypodError:
    cause = f'failed to create bridge "{op.name}": could not add "{op.name}": {error.cause}'
    if error.errno == _EOPNOTSUPP:
        return _lacking("bridge VLAN filtering" if op.vlan_filtering else "bridges", cause)
    return PluginError(cause, hint=error.hint)


def _lacking(feature: str, cause: str) -> PolypodError:
    hint = f"this kernel lacks {feature}: load the module, or use another kernel"
    return UnsupportedError(cause, hint=hint, code=999)


def _bridge(name: str, spaces: Spaces) -> Link:
    found = spaces.link(HOST, name)
    if found is None:
        raise PluginError(f'could not lookup "{name}": Link not found')
    return found


def add_gateway(op: ops.AddGateway, spaces: Spaces) -> None:
    """Put an address on a link and pin its MAC, which would follow the ports otherwise."""
    link = _bridge(op.link, spaces)
    socket = spaces.socket(HOST)
    for address in op.remove:
        _remove_address(link, address, spaces)
    try:
        socket.one(routes.RTM_NEWADDR, _NEW, routes.address(link.index, op.address))
    except KernelError as error:
        if error.errno == _EEXIST:
            return
        raise PluginError(
            f'failed to set bridge addr: could not add IP address to "{op.link}": {error.cause}'
        ) from error
    mac = op.mac or _bridge(op.link, spaces).mac
    if mac.strip("0:"):
        body = links.header(link.index) + attr(links.IFLA_ADDRESS, links.mac_bytes(mac))
        socket.one(links.RTM_NEWLINK, 0, body)


def _remove_address(link: Link, address: str, spaces: Spaces) -> None:
    try:
        spaces.socket(HOST).one(routes.RTM_DELADDR, 0, routes.address(link.index, address))
    except KernelError as error:
        if error.errno != _EADDRNOTAVAIL:  # gone already, which is what is wanted
            raise PluginError(
                f'failed to remove {address} from "{link.name}": {error.cause}'
            ) from error


def add_vlan_gateway(op: ops.AddVlanGateway, spaces: Spaces) -> None:
    """Create `<bridge>.<vlan>`, whose peer is a port of the bridge in that VLAN."""
    if spaces.link(HOST, op.name) is not None:
        return
    bridge = _bridge(op.bridge, spaces)
    socket = spaces.socket(HOST)
    body = links.host_pair(op.name, op.peer, op.mtu or bridge.mtu)
    try:
        socket.one(links.RTM_NEWLINK, _NEW, body)
    except KernelError as error:
        if error.errno == _EEXIST:
            return
        raise PluginError(f'failed to create vlan veth "{op.name}": {error.cause}') from error
    try:
        _set_up_pair(op, bridge, spaces)
    except PolypodError:
        # The next ADD would take half a gateway for a whole one.
        socket.one(links.RTM_DELLINK, 0, links.header(_bridge(op.name, spaces).index))
        raise


def _set_up_pair(op: ops.AddVlanGateway, bridge: Link, spaces: Spaces) -> None:
    socket = spaces.socket(HOST)
    peer = _bridge(op.peer, spaces)
    master = links.header(peer.index, 1, 1) + u32(links.IFLA_MASTER, bridge.index)
    socket.one(links.RTM_NEWLINK, 0, master)
    set_vlans(peer.index, op.vlan, (), spaces, clear=op.clear)
    own = _bridge(op.name, spaces)
    socket.one(links.RTM_NEWLINK, 0, links.header(own.index, 1, 1))


def set_vlans(
    index: int, pvid: int, tagged: tuple[int, ...], spaces: Spaces, *, clear: bool
) -> None:
    """Set the VLANs of a bridge port."""
    present = _vlans(index, spaces) if clear else ()
    wanted = [(pvid, True)] if pvid else []
    wanted += [(vid, False) for vid in tagged]
    acts = [(vid, links.RTM_DELLINK, False) for vid in present]
    acts += [(vid, links.RTM_SETLINK, native) for vid, native in wanted]
    answers = spaces.socket(HOST).many(
        [Message(kind, 0, links.port_vlan(index, vid, native=native)) for vid, kind, native in acts]
    )
    for (vid, _, _), answer in zip(acts, answers, strict=True):
        if isinstance(answer, KernelError):
            cause = f"failed to setup vlan tag {vid}: {answer.cause}"
            if answer.errno == _EOPNOTSUPP:
                raise _lacking("bridge VLAN filtering", cause) from answer
            raise PluginError(cause, hint=answer.hint) from answer


def _vlans(index: int, spaces: Spaces) -> tuple[int, ...]:
    heard = spaces.socket(HOST).dump(links.RTM_GETLINK, links.ports_question())
    for message in heard:
        if links.index_of(message.body) == index:
            return links.parse_port(message.body).vlans
    return ()


def enable_forwarding(op: ops.EnableForwarding, spaces: Spaces) -> None:
    """Switch on forwarding unless it is on."""
    key = "net/ipv4/ip_forward" if op.family == 4 else "net/ipv6/conf/all/forwarding"
    with spaces.inside(HOST):
        if sysctl.read(key) != "1":
            sysctl.write(key, "1")
