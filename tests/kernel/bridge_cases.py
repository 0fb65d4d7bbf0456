"""The cases of the ops for bridges: the bridge, its gateways, its VLANs, forwarding."""

from __future__ import annotations

from tests.kernel.case import BRIDGE, HOST, PARENT, VETH, VLAN_BRIDGE, Case, link_shows

from polypod.plan import ops

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
        shows=link_shows(HOST, "br0", flags=["UP", "PROMISC"]),
    ),
    "bridge that is there": Case(
        op=ops.AddBridge(name="br0", mtu=1400),
        host=(BRIDGE,),
        shows=link_shows(HOST, "br0", mtu=1500, flags=["UP"]),
    ),
    "bridge with VLAN filtering": Case(
        op=ops.AddBridge(name="br0", vlan_filtering=True),
        shows=link_shows(HOST, "br0", linkinfo={"info_data": {"vlan_filtering": 1}}),
        needs="bridge-vlan",
    ),
    "gateway": Case(
        op=ops.AddGateway(link="br0", address="10.1.0.1/24"),
        host=(BRIDGE,),
        shows=link_shows(
            HOST,
            "br0",
            address="02:00:00:00:bb:00",
            addr_info=[{"local": "10.1.0.1", "prefixlen": 24, "broadcast": "10.1.0.255"}],
        ),
    ),
    "gateway in place of another": Case(
        op=ops.AddGateway(link="br0", address="fd00::1/64", remove=("fd00:1::1/64",)),
        host=(BRIDGE, "addr add fd00:1::1/64 dev br0", "link set br0 up"),
        shows=link_shows(HOST, "br0", addr_info=[{"local": "fd00::1", "prefixlen": 64}]),
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
        shows=link_shows(
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
        shows=link_shows(
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
