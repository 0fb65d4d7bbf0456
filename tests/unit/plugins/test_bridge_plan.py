"""Bridge: which configurations are refused, and the links and rules of the others.

Ids are the rows of the acceptance vectors.
"""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.plugins.bridge_call import HOST_LOCAL, PLUGIN, V4, bridge_call, only, planned

from polypod.errors import PluginError
from polypod.plan import ops as op
from polypod.plan.facts import Fact, Link, LinkQuery, Query, Where


@pytest.mark.parametrize(
    ("config", "arguments", "text"),
    [
        pytest.param({}, "FOO", 'ARGS: invalid pair "FOO"', id="A20"),
        pytest.param(
            {"vlanTrunk": [{"maxID": 105}]},
            "",
            "minID and maxID should be configured simultaneously, minID is missing",
            id="C18",
        ),
        pytest.param(
            {"vlanTrunk": [{"minID": -1, "maxID": 105}]},
            "",
            "incorrect trunk minID parameter",
            id="C19-low",
        ),
        pytest.param(
            {"vlanTrunk": [{"minID": 5000, "maxID": 105}]},
            "",
            "incorrect trunk minID parameter",
            id="C19-high",
        ),
        pytest.param({"vlanTrunk": [{"id": 5000}]}, "", "incorrect trunk id parameter", id="C21"),
        pytest.param({"vlanTrunk": [{"id": 0}]}, "", "incorrect trunk id parameter", id="C21-0"),
        pytest.param(
            {"vlanTrunk": [{"minID": 1000, "maxID": 100}]},
            "",
            "minID is greater than maxID in trunk parameter",
            id="C22",
        ),
        pytest.param(
            {},
            "MAC=zz",
            "failed to make veth pair: address zz: invalid MAC address",
            id="C30-zz",
        ),
        pytest.param(
            {},
            "MAC=01:00:5e:00:00:01",
            "failed to make veth pair: cannot assign requested address",
            id="C30-multicast",
        ),
        pytest.param(
            {"ipMasq": True, "ipMasqBackend": "pf"}, "", 'unknown ipmasq backend "pf"', id="C34"
        ),
        pytest.param(
            {"disableContainerInterface": True, "ipam": HOST_LOCAL},
            "",
            "cannot use IPAM when DisableContainerInterface flag is set",
            id="C36",
        ),
        pytest.param(
            {"hairpinMode": True, "promiscMode": True},
            "",
            "cannot set hairpin mode and promiscuous mode at the same time",
            id="C40",
        ),
        pytest.param(
            {"vlan": 5000}, "", "invalid VLAN ID 5000 (must be between 0 and 4094)", id="vlan"
        ),
    ],
)
def test_a_wrong_configuration_is_refused(
    config: dict[str, object], arguments: str, text: str
) -> None:
    with pytest.raises(PluginError) as caught:
        PLUGIN.reads(bridge_call(config, arguments))
    assert caught.value.cause == text


@pytest.mark.parametrize(
    ("config", "arguments", "mac"),
    [
        pytest.param({}, "MAC=02:00:00:00:00:00", "02:00:00:00:00:00", id="C27"),
        pytest.param(
            {"args": {"cni": {"mac": "02:00:00:00:07:89"}}},
            "MAC=02:00:00:00:04:56",
            "02:00:00:00:07:89",
            id="C28",
        ),
        pytest.param({}, "IgnoreUnknown=1;K8S_POD_NAME=x", "", id="A22"),
    ],
)
def test_the_mac_comes_from_the_first_that_asks(
    config: dict[str, object], arguments: str, mac: str
) -> None:
    veth = only(planned(bridge_call(config, arguments)), op.AddVeth)
    assert isinstance(veth, op.AddVeth)
    assert veth.mac == mac


def test_a_spoof_check_without_a_mac_makes_one_and_uses_it() -> None:
    ops = planned(bridge_call({"macspoofchk": True}))
    veth, rule = only(ops, op.AddVeth), only(ops, op.AddSpoofCheck)
    assert isinstance(veth, op.AddVeth)
    assert isinstance(rule, op.AddSpoofCheck)
    assert veth.mac == rule.mac
    assert int(veth.mac[:2], 16) & 3 == 2


@pytest.mark.parametrize("_row", [pytest.param(None, id="C33")])
def test_masquerade_names_the_addresses(_row: None) -> None:
    ops = planned(bridge_call({"ipMasq": True, "ipMasqBackend": "nftables"}), V4)
    assert only(ops, op.AddMasquerade) == op.AddMasquerade(
        network="mynet", container_id="dummy", ifname="eth0", addresses=("10.1.2.2/24",)
    )


@pytest.mark.parametrize("_row", [pytest.param(None, id="C37")])
def test_a_disabled_interface_is_neither_set_up_nor_waited_for(_row: None) -> None:
    ops = planned(bridge_call({"disableContainerInterface": True}))
    assert [type(o).__name__ for o in ops] == ["AddBridge", "AddVeth"]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C39")])
def test_hairpin_goes_to_the_port(_row: None) -> None:
    veth = only(planned(bridge_call({"hairpinMode": True})), op.AddVeth)
    assert isinstance(veth, op.AddVeth)
    assert veth.hairpin


@pytest.mark.parametrize("_row", [pytest.param(None, id="C42")])
def test_the_mtu_goes_to_bridge_and_pair(_row: None) -> None:
    ops = planned(bridge_call({"mtu": 5000}))
    assert [o.mtu for o in ops if isinstance(o, (op.AddBridge, op.AddVeth))] == [5000, 5000]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C54")])
def test_a_device_that_is_no_bridge_is_refused(_row: None) -> None:
    answers: dict[Query, Fact] = {LinkQuery(Where.HOST, "notbr"): Link(name="notbr", index=2)}
    with pytest.raises(PluginError) as caught:
        planned(bridge_call({"bridge": "notbr"}), None, answers)
    assert caught.value.cause == (
        'failed to create bridge "notbr": "notbr" already exists but is not a bridge'
    )


@pytest.mark.parametrize("_row", [pytest.param(None, id="C58")])
def test_del_without_a_sandbox_leaves_links_alone_and_takes_the_rules(_row: None) -> None:
    call = msgspec.structs.replace(
        bridge_call({"macspoofchk": True, "vlan": 5000}), notes={}, netns=""
    )
    assert PLUGIN.plan_del(call) == (op.RemoveSpoofCheck(container_id="dummy", ifname="eth0"),)
