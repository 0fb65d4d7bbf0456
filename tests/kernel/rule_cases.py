"""The cases of the ops for nftables rules."""

from __future__ import annotations

from typing import Any

from tests.kernel.case import MAC, OTHER_MAC, Case

from polypod.plan import ops

MASQUERADE = ops.AddMasquerade(
    network="mynet", container_id="dummy", ifname="eth0", addresses=("10.1.2.3/24", "fd00:1::3/64")
)
SPOOF_CHECK = ops.AddSpoofCheck(port="veth1", container_id="c1", ifname="net1", mac=MAC)


def _rule(family: str, chain: str, comment: str) -> dict[str, Any]:
    return {"rule": {"family": family, "chain": chain, "comment": comment}}


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
