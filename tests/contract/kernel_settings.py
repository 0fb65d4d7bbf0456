"""What the engine may expect of a kernel door: addresses, routes, attributes, what is shared."""

from __future__ import annotations

import pytest
from tests.contract.kernel_lab import MAC, Lab, LabSuite, entered, inside, link_of, macvlan

from polypod.errors import PluginError
from polypod.plan import ops
from polypod.plan.facts import (
    AddressesQuery,
    LinkQuery,
    PortQuery,
    RoutesQuery,
    SysctlQuery,
    Where,
)


class SettingContract(LabSuite):
    def test_a_link_is_configured_in_one_go(self, lab: Lab) -> None:
        lab.parent("up0")
        key = "net/ipv4/conf/net1/arp_notify"
        op = ops.Configure(
            ifname="net1",
            addresses=("10.1.2.3/24",),
            routes=(
                ops.RouteSpec(dst="0.0.0.0/0", gw="10.1.2.1"),
                ops.RouteSpec(dst="10.9.0.0/16", gw="10.1.2.2", priority=7),
            ),
            sysctls=(ops.SysctlSpec(key=key, value="1"),),
        )

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            spaces.apply(op)
            facts = spaces.look(
                [
                    LinkQuery(Where.SANDBOX, "net1"),
                    AddressesQuery(Where.SANDBOX, "net1"),
                    RoutesQuery(Where.SANDBOX),
                    SysctlQuery(Where.SANDBOX, key),
                ]
            )
            spaces.undo(op, None)

        link = facts.link(Where.SANDBOX, "net1")
        routes = facts.routes(Where.SANDBOX)
        assert link is not None
        assert link.up
        assert "10.1.2.3/24" in [a.address for a in facts.addresses(Where.SANDBOX, "net1")]
        assert [(r.gw, r.device) for r in routes if r.dst == "0.0.0.0/0"] == [("10.1.2.1", "net1")]
        assert [(r.gw, r.priority) for r in routes if r.dst == "10.9.0.0/16"] == [("10.1.2.2", 7)]
        assert "10.1.2.0/24" in [route.dst for route in routes]
        assert facts.sysctl(Where.SANDBOX, key) == "1"

    def test_a_gateway_out_of_reach_is_refused(self, lab: Lab) -> None:
        lab.parent("up0")
        far = ops.RouteSpec(dst="0.0.0.0/0", gw="192.0.2.1")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            with pytest.raises(PluginError, match=r"failed to add route .*unreachable"):
                spaces.apply(
                    ops.Configure(ifname="net1", addresses=("10.1.2.3/24",), routes=(far,))
                )

    def test_an_address_that_is_there_is_refused(self, lab: Lab) -> None:
        lab.parent("up0")
        op = ops.Configure(ifname="net1", addresses=("10.1.2.3/24",))

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            spaces.apply(op)
            with pytest.raises(PluginError, match=r'failed to add IP addr .* to "net1": file exis'):
                spaces.apply(op)

    def test_nothing_is_configured_without_the_link(self, lab: Lab) -> None:
        with (
            entered(lab) as spaces,
            pytest.raises(PluginError, match='failed to lookup "net1": Link not found'),
        ):
            spaces.apply(ops.Configure(ifname="net1"))

    def test_a_links_attributes_change_and_come_back(self, lab: Lab) -> None:
        lab.parent("up0")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            before = inside(spaces, "net1")
            op = ops.SetLink(
                where=Where.SANDBOX,
                name="net1",
                mac=MAC,
                mtu=1400,
                promisc=True,
                previous=ops.SetLink(
                    where=Where.SANDBOX,
                    name="net1",
                    mac=before.mac,
                    mtu=before.mtu,
                    promisc=False,
                ),
            )
            spaces.apply(op)
            changed = inside(spaces, "net1")
            for _ in range(2):
                spaces.undo(op, None)
            after = inside(spaces, "net1")

        assert (changed.mac, changed.mtu, changed.promisc) == (MAC, 1400, True)
        assert (after.mac, after.mtu, after.promisc) == (before.mac, before.mtu, False)

    def test_a_link_that_is_not_there_cannot_be_set(self, lab: Lab) -> None:
        with (
            entered(lab) as spaces,
            pytest.raises(PluginError, match='failed to get "net9": Link not found'),
        ):
            spaces.apply(ops.SetLink(where=Where.SANDBOX, name="net9", mtu=1400))

    def test_a_sysctl_changes_and_comes_back(self, lab: Lab) -> None:
        key = "net/ipv4/conf/all/rp_filter"
        op = ops.WriteSysctl(where=Where.SANDBOX, key=key, value="2", previous="0")

        with entered(lab) as spaces:
            spaces.apply(op)
            changed = spaces.look([SysctlQuery(Where.SANDBOX, key)]).sysctl(Where.SANDBOX, key)
            for _ in range(2):
                spaces.undo(op, None)
            after = spaces.look([SysctlQuery(Where.SANDBOX, key)]).sysctl(Where.SANDBOX, key)

        assert (changed, after) == ("2", "0")

    def test_deleting_a_link_twice_is_fine(self, lab: Lab) -> None:
        lab.parent("up0")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            for _ in range(2):
                spaces.apply(ops.DeleteLink(ifname="net1"))

            assert link_of(spaces, Where.SANDBOX, "net1") is None

    def test_a_gateway_address_is_given_once_and_replaces_others(self, lab: Lab) -> None:
        query = AddressesQuery(Where.HOST, "br0")

        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            for _ in range(2):
                spaces.apply(ops.AddGateway(link="br0", address="10.1.0.1/24"))
            first = spaces.look([query]).addresses(Where.HOST, "br0")
            spaces.apply(ops.AddGateway(link="br0", address="10.1.1.1/24", remove=("10.1.0.1/24",)))
            then = spaces.look([query]).addresses(Where.HOST, "br0")

        assert [one.address for one in first if "." in one.address] == ["10.1.0.1/24"]
        assert [one.address for one in then if "." in one.address] == ["10.1.1.1/24"]

    def test_forwarding_is_switched_on_and_stays(self, lab: Lab) -> None:
        op = ops.EnableForwarding(family=4)
        query = SysctlQuery(Where.HOST, "net/ipv4/ip_forward")

        with entered(lab) as spaces:
            for _ in range(2):
                spaces.apply(op)
            spaces.undo(op, None)

            assert spaces.look([query]).sysctl(Where.HOST, query.key) == "1"

    def test_the_default_route_moves(self, lab: Lab) -> None:
        lab.parent("up0")
        default = ops.RouteSpec(dst="0.0.0.0/0", gw="10.1.0.1")

        with entered(lab) as spaces:
            for name, net, routes in (("net1", 1, (default,)), ("net2", 2, ())):
                spaces.apply(macvlan(name))
                spaces.apply(
                    ops.Configure(ifname=name, addresses=(f"10.{net}.0.2/24",), routes=routes)
                )
            for _ in range(2):
                spaces.apply(
                    ops.ReplaceDefaultRoute(
                        family=4, drop=("net1", "net2"), ifname="net2", gateway="10.2.0.1"
                    )
                )
            table = spaces.look([RoutesQuery(Where.SANDBOX)]).routes(Where.SANDBOX)

        found = [(route.gw, route.device) for route in table if route.dst == "0.0.0.0/0"]
        assert found == [("10.2.0.1", "net2")]

    def test_a_port_that_is_up_is_waited_for(self, lab: Lab) -> None:
        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            spaces.apply(ops.AddVeth(ifname="net1", host_name="vethaa", master="br0"))
            spaces.apply(ops.Configure(ifname="net1"))
            spaces.apply(ops.WaitOperUp(name="vethaa"))
            found = link_of(spaces, Where.HOST, "vethaa")

        assert found is not None
        assert found.operstate == "up"

    def test_a_port_has_the_vlans_it_was_given(self, lab: Lab) -> None:
        op = ops.SetPortVlans(port="vethaa", pvid=100, tagged=(101, 102))

        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0", vlan_filtering=True))
            spaces.apply(ops.AddVeth(ifname="net1", host_name="vethaa", master="br0"))
            for _ in range(2):
                spaces.apply(op)
            port = spaces.look([PortQuery("vethaa")]).port("vethaa")

        assert port is not None
        assert (port.pvid, port.vlans) == (100, (100, 101, 102))
