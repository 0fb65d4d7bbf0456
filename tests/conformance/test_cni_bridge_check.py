"""Section C: CHECK of the bridge plugin."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_leases import leased
from tests.conformance.cni_rows import each_version, row, table
from tests.conformance.cni_world import SANDBOX, World

from polypod.cni.labels import ALL_VERSIONS

CHECKED = tuple(v for v in ALL_VERSIONS if v >= "0.4.0")


def conf(world: World, version: str = "1.0.0", *subnets: str, **keys: Any) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "name": "mynet",
        "type": "bridge",
        "bridge": "br0",
        "isDefaultGateway": True,
        "ipam": leased(world, *(subnets or ("10.1.2.0/24",))),
        **keys,
    }


def added(world: World, config: dict[str, Any]) -> dict[str, Any]:
    """Run ADD, and return the configuration of its CHECK."""
    return {**config, "prevResult": world.call("bridge", "ADD", config).ok()}


@each_version("C45", CHECKED)
@pytest.mark.parametrize(
    "subnets",
    [("10.1.2.0/24",), ("2001:db8::/64",), ("192.168.0.0/24", "fd00::/64")],
    ids=["v4", "v6", "both"],
)
def test_what_was_added_is_in_order(world: World, version: str, subnets: tuple[str, ...]) -> None:
    config = added(world, conf(world, version, *subnets))

    answer = world.call("bridge", "CHECK", config)

    assert (answer.code, answer.stdout) == (0, "")


@row("C46")
def test_check_needs_a_result(world: World) -> None:
    config = conf(world)
    world.call("bridge", "ADD", config).ok()

    assert world.call("bridge", "CHECK", config).error == (999, "Required prevResult missing", "")


@table(
    "damage, where, msg",
    (
        "C48",
        "ip route del default",
        SANDBOX,
        "Expected Route {Dst:{IP:0.0.0.0 Mask:00000000} GW:10.1.2.1",
    ),
    ("C51", "ip link set VETH nomaster", "", "CNI veth created for bridge br0 was not found"),
    ("C51-gone", "ip link del VETH", "", "Interface name eth0 not found"),
    (
        "C51-address",
        "ip addr del 10.1.2.2/24 dev eth0",
        SANDBOX,
        "Failed to match addr 10.1.2.2/24 on interface eth0",
    ),
    (
        "C51-mac",
        "ip link set br0 address 02:11:22:33:44:55",
        "",
        "Bridge interface br0 Mac doesn't match: ",
    ),
    ("C51-bridge", "ip link del br0", "", "Interface name br0 not found"),
    (
        "C51-kind",
        "ip link del br0; ip link add br0 type veth peer name other",
        "",
        "Bridge interface br0 not of type bridge",
    ),
    (
        "C51-promisc",
        "ip link set br0 promisc on",
        "",
        "Bridge interface br0 configured Promisc Mode false doesn't match current state: true ",
    ),
    (
        "C51-inner-mac",
        "ip link set eth0 address 02:11:22:33:44:55",
        SANDBOX,
        "Interface eth0 Mac ",
    ),
    (
        "C51-inner-kind",
        "ip link del eth0; ip link add eth0 type bridge",
        SANDBOX,
        "Error: Container interface eth0 not of type veth",
    ),
    ("C51-outer-mac", "ip link set VETH address 02:11:22:33:44:56", "", "Interface veth"),
    (
        "C51-prefix",
        "ip route del 10.1.2.0/24",
        SANDBOX,
        "Failed to find Gateway 10.1.2.1 for interface eth0",
    ),
)
def test_damage_is_found(world: World, damage: str, where: str, msg: str) -> None:
    config = added(world, conf(world))
    veth = config["prevResult"]["interfaces"][1]["name"]

    place = (where,) if where else ()
    world.sh(damage.replace("VETH", veth), *place)

    assert world.call("bridge", "CHECK", config).error[1].startswith(msg)


@pytest.mark.parametrize("sandbox", ["", "/run/netns/other"])
def test_a_result_of_another_sandbox_is_refused(world: World, sandbox: str) -> None:
    config = added(world, conf(world))
    config["prevResult"]["interfaces"][2]["sandbox"] = sandbox

    assert world.call("bridge", "CHECK", config).error[1] == (
        f"Sandbox in prevResult {sandbox} doesn't match configured netns: {world.netns}"
    )


@row("C49")
def test_a_default_route_by_another_gateway_will_do(world: World) -> None:
    config = added(world, conf(world))

    world.sh("ip route replace default via 10.1.2.254", SANDBOX)

    assert world.call("bridge", "CHECK", config).code == 0


@row("C52")
def test_a_bridge_without_addresses_can_be_checked(world: World) -> None:
    plain = {"cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "br0"}
    config = added(world, plain)

    assert world.call("bridge", "CHECK", config).code == 0  # the reference always fails here
