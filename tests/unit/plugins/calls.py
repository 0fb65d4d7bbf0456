"""A call of a plugin: what the tests of plans share."""

from __future__ import annotations

from polypod.cni.result import Result
from polypod.plugins._shape import Call

NETNS, SEED = "/run/netns/a", "0a1b2c3d"


def plugin_call(
    config: dict[str, object],
    arguments: str = "",
    *,
    ifname: str = "eth0",
    prev: Result | None = None,
) -> Call:
    return Call(
        container_id="dummy",
        ifname=ifname,
        netns=NETNS,
        network="mynet",
        cni_version="1.0.0",
        config=config,
        arguments=arguments,
        prev_result=prev,
        seed=SEED,
    )
