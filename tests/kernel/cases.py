"""One case or more for each op: a world before it, and what iproute2 and nft must show after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polypod.plan import ops
from polypod.plan.facts import Where
from polypod.plan.ops import KernelOp, RouteSpec, SysctlSpec

HOST, SANDBOX = Where.HOST, Where.SANDBOX
MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
OUR_GROUP = str(0x706C7970)

BRIDGE = "link add br0 address 02:00:00:00:bb:00 type bridge"
VLAN_BRIDGE = f"{BRIDGE} vlan_filtering 1"
PARENT = (
    "link add up0 type veth peer name up1",
    "link set up1 up",
    "link set up0 up",
)
ETH0 = (
    "link add eth0 type veth peer name far0",
    "link set far0 up",
    "link set eth0 up",
    "addr add 10.1.0.2/24 dev eth0",
    "route add default via 10.1.0.1",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """An op in its world."""

    op: KernelOp
    shows: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the state must hold afterwards, see world.shows."""
    host: Sequence[str] = ()
    """Lines of `ip` for the host, before."""
    sandbox: Sequence[str] = ()
    before: Sequence[KernelOp] = ()
    """Ops of the same attachment, or of another one, that came first."""
    twice: str = ""
    """How a second apply is refused; empty when it is done again without harm."""
    undone: bool = False
    """Undo gives the state before; otherwise it changes nothing."""
    silent: bool = False
    """The op changes nothing that can be seen."""
    needs: str = ""

    @property
    def world(self) -> dict[Where, Sequence[str]]:
        """Return the lines by namespace."""
        return {HOST: self.host, SANDBOX: self.sandbox}


VETH = ops.AddVeth(ifname="net1", host_name="veth1", master="br0", mtu=1400, mac=MAC)
MASQUERADE = ops.AddMasquerade(
    network="mynet", container_id="dummy", ifname="eth0", addresses=("10.1.2.3/24", "fd00:1::3/64")
)
SPOOF_CHECK = ops.AddSpoofCheck(port="veth1", container_id="c1", ifname="net1", mac=MAC)


def _link(where: Where, name: str, **expected: Any) -> dict[str, Any]:
    return {where.value: {"links": {name: expected}}}


def _rule(family: str, chain: str, comment: str) -> dict[str, Any]:
    return {"rule": {"family": family, "chain": chain, "comment": comment}}


BRIDGES = {
    "bridge": Case(
        op=ops.AddBridge(name="br0", mtu=1400),
        shows={
            "host": {
                "links": {
                    "br0": {"mtu": 1400, "flags": ["UP"], "linkinfo": {"info_kind": "bridge"}}
                },
                "sysctls": {"ipv6/conf/br0/accept_ra": "0"},
            }
        },
    ),
    "bridge, promiscuous": Case(
        op=ops.AddBridge(name="br0", promisc=True),
        shows=_link(HOST, "br0", flags=["UP", "PROMISC"]),
    ),
    "bridge that is there": Case(
        op=ops.AddBridge(name="br0", mtu=1400),
        host=(BRIDGE,),
        shows=_link(HOST, "br0", mtu=1500, flags=["UP"]),
    ),
    "bridge with VLAN filtering": Case(
        op=ops.AddBridge(name="br0", vlan_filtering=True),
        shows=_link(HOST, "br0", linkinfo={"info_data": {"vlan_filtering": 1}}),
        needs="bridge-vlan",
    ),
    "gateway": Case(
        op=ops.AddGateway(link="br0", address="10.1.0.1/24"),
        host=(BRIDGE,),
        shows=_link(
            HOST,
            "br0",
            address="02:00:00:00:bb:00",
            addr_info=[{"local": "10.1.0.1", "prefixlen": 24, "broadcast": "10.1.0.255"}],
        ),
    ),
    "gateway in place of another": Case(
        op=ops.AddGateway(link="br0", address="fd00::1/64", remove=("fd00:1::1/64",)),
        host=(BRIDGE, "addr add fd00:1::1/64 dev br0", "link set br0 up"),
        shows=_link(HOST, "br0", addr_info=[{"local": "fd00::1", "prefixlen": 64}]),
    ),
    "gateway of a VLAN": Case(
        op=ops.AddVlanGateway(name="br0.7", peer="veth7", bridge="br0", vlan=7, mtu=1400),
        host=(VLAN_BRIDGE, "link set br0 up"),
        shows={
            "host": {
                "links": {
                    "br0.7": {"mtu": 1400, "flags": ["UP"], "linkinfo": {"info_kind": "veth"}},
                    "veth7": {
                        "mtu": 1400,
                        "master": "br0",
                        "flags": ["UP"],
                        "vlans": [{"vlan": 7, "flags": ["PVID", "Egress Untagged"]}],
                    },
                }
            }
        },
        needs="bridge-vlan",
    ),
    "VLANs of a port": Case(
        op=ops.SetPortVlans(port="veth1", pvid=5, tagged=(10, 12)),
        host=(VLAN_BRIDGE, "link set br0 up"),
        before=(VETH,),
        shows=_link(
            HOST,
            "veth1",
            vlans=[
                {"vlan": 5, "flags": ["PVID", "Egress Untagged"]},
                {"vlan": 10},
                {"vlan": 12},
            ],
        ),
        needs="bridge-vlan",
    ),
    "more VLANs for a port": Case(
        op=ops.SetPortVlans(port="veth1", tagged=(10,), clear=False),
        host=(VLAN_BRIDGE, "link set br0 up"),
        before=(VETH,),
        shows=_link(
            HOST, "veth1", vlans=[{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 10}]
        ),
        needs="bridge-vlan",
    ),
    "port that is up": Case(
        op=ops.WaitOperUp(name="up0"), host=PARENT, shows={}, silent=True
    ),
    "forwarding of IPv4": Case(
        op=ops.EnableForwarding(family=4), shows={"host": {"sysctls": {"ipv4/ip_forward": "1"}}}
    ),
    "forwarding of IPv6": Case(
        op=ops.EnableForwarding(family=6),
        shows={"host": {"sysctls": {"ipv6/conf/all/forwarding": "1"}}},
    ),
}  # fmt: skip

LINKS = {
    "veth": Case(
        op=ops.AddVeth(ifname="net1", host_name="veth1"),
        shows={
            "host": {
                "links": {"veth1": {"flags": ["UP"], "num_tx_queues": 1}},
                "sysctls": {"ipv6/conf/veth1/accept_ra": "0"},
            },
            "sandbox": {
                "links": {
                    "net1": {"linkinfo": {"info_kind": "veth"}, "group": OUR_GROUP, "mtu": 1500}
                }
            },
        },
        twice="already exists",
        undone=True,
    ),
    "veth in a bridge": Case(
        op=ops.AddVeth(
            ifname="net1",
            host_name="veth1",
            master="br0",
            mtu=1400,
            mac=MAC,
            hairpin=True,
            isolated=True,
        ),
        host=(BRIDGE, "link set br0 up"),
        shows={
            "host": {
                "links": {
                    "veth1": {
                        "master": "br0",
                        "mtu": 1400,
                        "linkinfo": {"info_slave_data": {"hairpin": True, "isolated": True}},
                    }
                }
            },
            "sandbox": {"links": {"net1": {"mtu": 1400, "address": MAC}}},
        },
        twice="already exists",
        undone=True,
    ),
    "macvlan": Case(
        op=ops.AddMacvlan(ifname="net1", parent="up0", mode="vepa", mtu=1400, mac=MAC),
        host=PARENT,
        shows=_link(
            SANDBOX,
            "net1",
            address=MAC,
            mtu=1400,
            group=OUR_GROUP,
            linkinfo={"info_kind": "macvlan", "info_data": {"mode": "vepa"}},
        ),
        twice="file exists",
        undone=True,
    ),
    "macvlan with a queue": Case(
        op=ops.AddMacvlan(ifname="net1", parent="up0", bc_queue_len=4000),
        host=PARENT,
        shows=_link(
            SANDBOX, "net1", linkinfo={"info_data": {"mode": "bridge", "bcqueuelen": 4000}}
        ),
        twice="file exists",
        undone=True,
    ),
    "macvlan on a link of the sandbox": Case(
        op=ops.AddMacvlan(ifname="net1", parent="eth0", parent_where=SANDBOX, mode="private"),
        sandbox=ETH0,
        shows=_link(SANDBOX, "net1", link="eth0", linkinfo={"info_data": {"mode": "private"}}),
        twice="file exists",
        undone=True,
    ),
    "macvlan on a link by its alternative name": Case(
        op=ops.AddMacvlan(ifname="net1", parent="enp3s0"),
        host=(*PARENT, "link property add dev up0 altname enp3s0"),
        shows=_link(SANDBOX, "net1", linkinfo={"info_kind": "macvlan"}),
        twice="file exists",
        undone=True,
    ),
    "macvlan on a VLAN": Case(
        op=ops.AddMacvlan(ifname="net1", parent="up0.5"),
        host=(*PARENT, "link add link up0 name up0.5 type vlan id 5", "link set up0.5 up"),
        shows=_link(SANDBOX, "net1", linkinfo={"info_kind": "macvlan"}),
        twice="file exists",
        undone=True,
        needs="8021q",
    ),
    **{
        f"ipvlan {mode}": Case(
            op=ops.AddIpvlan(ifname="net1", parent="up0", mode=mode, mtu=1400),
            host=PARENT,
            shows=_link(
                SANDBOX,
                "net1",
                mtu=1400,
                group=OUR_GROUP,
                linkinfo={"info_kind": "ipvlan", "info_data": {"mode": mode}},
            ),
            twice="file exists",
            undone=True,
            needs="ipvlan",
        )
        for mode in ("l2", "l3", "l3s")
    },
    "delete": Case(op=ops.DeleteLink(ifname="eth0"), sandbox=ETH0),
    "delete what is not there": Case(op=ops.DeleteLink(ifname="net9"), silent=True),
}

SETTINGS = {
    "configure": Case(
        op=ops.Configure(
            ifname="net1",
            addresses=("10.1.2.3/24", "fd00:1::3/64"),
            routes=(
                RouteSpec(dst="10.9.0.0/16", gw="10.1.2.1", priority=7),
                RouteSpec(dst="10.8.0.0/16", scope=253, src="10.1.2.3"),
                RouteSpec(dst="10.7.0.0/16", gw="10.1.2.1", table=300),
                RouteSpec(dst="fd09::/16", gw="fd00:1::1"),
                RouteSpec(dst="0.0.0.0/0", gw="10.1.2.1"),
            ),
            sysctls=(
                SysctlSpec(key="net/ipv4/conf/net1/arp_notify", value="1", required=True),
                SysctlSpec(key="net/ipv4/conf/net1/no_such_thing", value="1"),
            ),
        ),
        host=(BRIDGE, "link set br0 up"),
        before=(VETH,),
        shows={
            "sandbox": {
                "links": {
                    "net1": {
                        "flags": ["UP"],
                        "addr_info": [
                            {"local": "10.1.2.3", "prefixlen": 24, "broadcast": "10.1.2.255"},
                            {"local": "fd00:1::3", "prefixlen": 64},
                        ],
                    }
                },
                "routes": [
                    {"dst": "10.9.0.0/16", "gateway": "10.1.2.1", "metric": 7, "dev": "net1"},
                    {"dst": "10.8.0.0/16", "scope": "link", "prefsrc": "10.1.2.3"},
                    {"dst": "10.7.0.0/16", "gateway": "10.1.2.1", "table": "300"},
                    {"dst": "fd09::/16", "gateway": "fd00:1::1"},
                    {"dst": "default", "gateway": "10.1.2.1"},
                ],
                "sysctls": {
                    "ipv4/conf/net1/arp_notify": "1",
                    "ipv6/conf/net1/disable_ipv6": "0",
                    "ipv6/conf/net1/keep_addr_on_down": "1",
                },
            }
        },
        twice="file exists",
    ),
    "configure and settle": Case(
        op=ops.Configure(ifname="net1", addresses=("fd00:1::3/64",), settle=True),
        before=(ops.AddVeth(ifname="net1", host_name="veth1"),),
        shows=_link(SANDBOX, "net1", addr_info=[{"local": "fd00:1::3"}]),
        twice="file exists",
    ),
    "configure, down": Case(
        op=ops.Configure(ifname="eth0", addresses=("10.1.2.3/32",), up=False),
        sandbox=("link add eth0 type veth peer name far0",),
        shows=_link(SANDBOX, "eth0", addr_info=[{"local": "10.1.2.3", "prefixlen": 32}]),
        twice="file exists",
    ),
    "set": Case(
        op=ops.SetLink(
            where=SANDBOX,
            name="eth0",
            mac=OTHER_MAC,
            mtu=1400,
            promisc=True,
            allmulti=True,
            tx_queue_len=77,
            previous=ops.SetLink(
                where=SANDBOX,
                name="eth0",
                mac=MAC,
                mtu=1500,
                promisc=False,
                allmulti=False,
                tx_queue_len=1000,
            ),
        ),
        sandbox=(f"link add eth0 address {MAC} type veth peer name far0", "link set eth0 up"),
        shows=_link(
            SANDBOX,
            "eth0",
            address=OTHER_MAC,
            mtu=1400,
            txqlen=77,
            flags=["PROMISC", "ALLMULTI", "UP"],
        ),
        undone=True,
    ),
    "set down": Case(
        op=ops.SetLink(
            where=HOST,
            name="up0",
            up=False,
            previous=ops.SetLink(where=HOST, name="up0", up=True),
        ),
        host=PARENT,
        undone=True,
    ),
    "set without a memory": Case(
        op=ops.SetLink(where=SANDBOX, name="eth0", mtu=1400),
        sandbox=ETH0,
        shows=_link(SANDBOX, "eth0", mtu=1400),
    ),
    "sysctl": Case(
        op=ops.WriteSysctl(
            where=SANDBOX, key="net/ipv4/conf/eth0/arp_filter", value="1", previous="0"
        ),
        sandbox=ETH0,
        shows={"sandbox": {"sysctls": {"ipv4/conf/eth0/arp_filter": "1"}}},
        undone=True,
    ),
    "sysctl without a memory": Case(
        op=ops.WriteSysctl(where=HOST, key="net.ipv4.conf.all.arp_filter", value="1"),
        shows={"host": {"sysctls": {"ipv4/conf/all/arp_filter": "1"}}},
    ),
    "default route": Case(
        op=ops.ReplaceDefaultRoute(family=4, drop=("eth0",), ifname="eth1", gateway="10.2.0.1"),
        sandbox=(
            *ETH0,
            "link add eth1 type veth peer name far1",
            "link set eth1 up",
            "addr add 10.2.0.2/24 dev eth1",
        ),
        shows={
            "sandbox": {"routes": [{"dst": "default", "gateway": "10.2.0.1", "dev": "eth1"}]}
        },
    ),
    "default route of IPv6": Case(
        op=ops.ReplaceDefaultRoute(family=6, drop=("eth0",), ifname="eth0", gateway="fd00::2"),
        sandbox=(
            *ETH0,
            "addr add fd00::9/64 dev eth0",
            "route add default via fd00::1 metric 1024",
        ),
        shows={"sandbox": {"routes": [{"dst": "default", "gateway": "fd00::2", "dev": "eth0"}]}},
    ),
}  # fmt: skip

RULES = {
    "masquerade": Case(
        op=MASQUERADE,
        before=(ops.AddMasquerade(
            network="mynet", container_id="c2", ifname="net1", addresses=("10.1.2.4/24",)
        ),),
        shows={"host": {"nft": [_rule(
            "inet", "masq_checks",
            # The comment that the reference gives its rule for the same attachment.
            "d23676b4f2d9fe04-678b25cd6528b49d, net: mynet, if: eth0, id: dummy",
        )]}},
        undone=True,
        needs="nft-inet",
    ),
    "masquerade, taken away": Case(
        op=ops.RemoveMasquerade(network="mynet", container_id="dummy", ifname="eth0"),
        before=(MASQUERADE,),
        needs="nft-inet",
    ),
    "masquerade that is not there": Case(
        op=ops.RemoveMasquerade(network="blue", container_id="c1", ifname="net1"),
        silent=True,
        needs="nft-inet",
    ),
    "spoof check": Case(
        op=SPOOF_CHECK,
        before=(ops.AddSpoofCheck(port="veth2", container_id="c2", ifname="net1", mac=OTHER_MAC),),
        shows={"host": {"nft": [
            _rule("bridge", "PREROUTING", "macspoofchk-c1-net1"),
            {"chain": {"family": "bridge", "name": "cni-br-iface-c1-net1-mac"}},
        ]}},
        undone=True,
    ),
    "spoof check, taken away": Case(
        op=ops.RemoveSpoofCheck(container_id="c1", ifname="net1"), before=(SPOOF_CHECK,)
    ),
    "spoof check that is not there": Case(
        op=ops.RemoveSpoofCheck(container_id="c1", ifname="net1"), silent=True
    ),
}  # fmt: skip

CASES: dict[str, Case] = {**BRIDGES, **LINKS, **SETTINGS, **RULES}
