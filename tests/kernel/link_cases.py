"""The cases of the ops that make and delete a pod's links."""

from __future__ import annotations

from tests.kernel.case import BRIDGE, ETH0, MAC, OUR_GROUP, PARENT, SANDBOX, Case, link_shows

from polypod.plan import ops

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
        shows=link_shows(
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
        shows=link_shows(
            SANDBOX, "net1", linkinfo={"info_data": {"mode": "bridge", "bcqueuelen": 4000}}
        ),
        twice="file exists",
        undone=True,
    ),
    "macvlan on a link of the sandbox": Case(
        op=ops.AddMacvlan(ifname="net1", parent="eth0", parent_where=SANDBOX, mode="private"),
        sandbox=ETH0,
        shows=link_shows(SANDBOX, "net1", link="eth0", linkinfo={"info_data": {"mode": "private"}}),
        twice="file exists",
        undone=True,
    ),
    "macvlan on a link by its alternative name": Case(
        op=ops.AddMacvlan(ifname="net1", parent="enp3s0"),
        host=(*PARENT, "link property add dev up0 altname enp3s0"),
        shows=link_shows(SANDBOX, "net1", linkinfo={"info_kind": "macvlan"}),
        twice="file exists",
        undone=True,
    ),
    "macvlan on a VLAN": Case(
        op=ops.AddMacvlan(ifname="net1", parent="up0.5"),
        host=(*PARENT, "link add link up0 name up0.5 type vlan id 5", "link set up0.5 up"),
        shows=link_shows(SANDBOX, "net1", linkinfo={"info_kind": "macvlan"}),
        twice="file exists",
        undone=True,
        needs="8021q",
    ),
    **{
        f"ipvlan {mode}": Case(
            op=ops.AddIpvlan(ifname="net1", parent="up0", mode=mode, mtu=1400),
            host=PARENT,
            shows=link_shows(
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
