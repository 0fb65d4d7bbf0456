"""Bridge: the VLANs of a port, and a VLAN's gateway. Ids are the rows of the acceptance vectors."""

from __future__ import annotations

import pytest
from tests.unit.plugins.bridge_call import HOST_LOCAL, V4, bridge_call, only, planned

from polypod.plan import ops as op
from polypod.plugins import vlan_trunk

TRUNK: list[object] = [{"id": 101}, {"minID": 200, "maxID": 202}]


@pytest.mark.parametrize(
    ("config", "pvid", "tagged", "clear"),
    [
        pytest.param({"vlan": 100}, 100, (), True, id="C10"),
        pytest.param({"vlan": 100, "preserveDefaultVlan": True}, 100, (), False, id="C11"),
        pytest.param({"vlanTrunk": TRUNK}, 1, (101, 200, 201, 202), True, id="C12"),
        pytest.param({"vlan": 100, "vlanTrunk": TRUNK}, 100, (101, 200, 201, 202), True, id="C13"),
    ],
)
def test_the_port_gets_its_vlans(
    config: dict[str, object], pvid: int, tagged: tuple[int, ...], *, clear: bool
) -> None:
    ops = planned(bridge_call(config))
    assert only(ops, op.SetPortVlans) == op.SetPortVlans(
        port="veth0a1b2c3d", pvid=pvid, tagged=tagged, clear=clear
    )
    assert only(ops, op.AddBridge) == op.AddBridge(name="br0", vlan_filtering=True)


@pytest.mark.parametrize(
    ("trunk", "expected"),
    [
        pytest.param([], (), id="C16-empty"),
        pytest.param([{"minID": 100, "maxID": 102}], (100, 101, 102), id="C16-range"),
        pytest.param([{"id": 10}], (10,), id="C16-id"),
        pytest.param([{"minID": 100, "maxID": 101}, {"id": 10}], (10, 100, 101), id="C16-both"),
    ],
)
def test_trunk_entries_are_united(trunk: list[object], expected: tuple[int, ...]) -> None:
    assert vlan_trunk.tagged({"vlanTrunk": trunk}) == expected


@pytest.mark.parametrize("_row", [pytest.param(None, id="C15")])
def test_an_empty_trunk_filters_and_keeps_the_default_vlan(_row: None) -> None:
    ops = planned(bridge_call({"vlanTrunk": []}))
    assert only(ops, op.AddBridge) == op.AddBridge(name="br0", vlan_filtering=True)
    assert not [o for o in ops if isinstance(o, op.SetPortVlans)]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C14")])
def test_a_vlan_gateway_has_a_link_of_its_own(_row: None) -> None:
    ops = planned(bridge_call({"isDefaultGateway": True, "vlan": 100, "ipam": HOST_LOCAL}), V4)
    made = only(ops, op.AddVlanGateway)
    assert isinstance(made, op.AddVlanGateway)
    assert (made.name, made.bridge, made.vlan, made.clear) == ("br0.100", "br0", 100, True)
    gateway = only(ops, op.AddGateway)
    assert gateway == op.AddGateway(link="br0.100", address="10.1.2.1/24")
    assert ops.index(made) < [type(o) for o in ops].index(op.AddGateway)
