"""The cases of the ops that configure a link: addresses, routes, sysctls, what tuning sets."""

from __future__ import annotations

from tests.kernel.case import (
    BRIDGE,
    ETH0,
    HOST,
    MAC,
    OTHER_MAC,
    PARENT,
    SANDBOX,
    VETH,
    Case,
    link_shows,
)

from polypod.plan import ops
from polypod.plan.ops import RouteSpec, SysctlSpec

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
        shows=link_shows(SANDBOX, "net1", addr_info=[{"local": "fd00:1::3"}]),
        twice="file exists",
    ),
    "configure, down": Case(
        op=ops.Configure(ifname="eth0", addresses=("10.1.2.3/32",), up=False),
        sandbox=("link add eth0 type veth peer name far0",),
        shows=link_shows(SANDBOX, "eth0", addr_info=[{"local": "10.1.2.3", "prefixlen": 32}]),
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
        shows=link_shows(
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
        shows=link_shows(SANDBOX, "eth0", mtu=1400),
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
