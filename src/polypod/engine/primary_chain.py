"""Asks other people's plugins of the primary's chain the questions that name no container.

STATUS and GC (CNI 1.1.0, sections 3 and 4) are theirs to answer too: what they keep is not in our
journal. Secondary networks are not asked, as the reference does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from polypod.cni import fields, lists
from polypod.cni.labels import numbers
from polypod.cni.lists import NetworkList
from polypod.cni.request import Request
from polypod.engine.doors import Doors
from polypod.engine.resolve import search_path
from polypod.ipam import IPAM
from polypod.plan.foreign import ForeignCall
from polypod.plugins import PLUGINS, addresses

_SINCE = (1, 1, 0)


def ask(
    command: str,
    primary: NetworkList,
    request: Request,
    doors: Doors,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Run a command on each foreign plugin of the chain, in order; `extra` goes into its stdin.

    Raises:
        ForeignError: the first that fails.
    """
    if (numbers(primary.cni_version) or (0, 0, 0)) < _SINCE:
        return
    path = search_path(request, doors)
    for index in range(len(primary.plugins)):
        config = lists.plugin_config(primary, index, prev_result=None, capability_args={})
        for type_ in _foreign_types(config, path, doors):
            doors.foreign.run(
                ForeignCall(
                    type=type_,
                    command=command,
                    container_id="",
                    netns="",
                    ifname="",
                    arguments="",
                    path=path,
                    stdin=msgspec.json.encode({**config, **(extra or {})}, order="sorted"),
                )
            )


def _foreign_types(
    config: Mapping[str, object], path: tuple[str, ...], doors: Doors
) -> tuple[str, ...]:
    """Return the plugin, or the IPAM plugin of one that is built in, if it is not ours to be."""
    type_ = fields.text(config, "type")
    if type_ not in PLUGINS or doors.foreign.has(type_, path):
        return (type_,)
    ipam = addresses.leasing_type(type_, config)
    if not ipam or (ipam in IPAM and not doors.foreign.has(ipam, path)):
        return ()
    return (ipam,)
