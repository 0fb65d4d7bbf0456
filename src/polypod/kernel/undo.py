"""Takes ops back. What is gone, or is not ours any more, is left alone.

A link is ours when it carries our group and has the index that the journal noted: within one
namespace, known by its cookie, no index comes twice. Its MAC may have been changed since (tuning).
Where a crash came before the index was noted, our group alone tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from polypod.errors import KernelError, PluginError
from polypod.kernel import apply, links, make, nft
from polypod.kernel.netlink import u32
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import SANDBOX
from polypod.plan.ops import Identity, KernelOp


def undo(op: KernelOp, identity: Identity | None, spaces: Spaces) -> None:
    """Take one op back; shared ones and those that go with their link are kept."""
    match op:
        case ops.AddVeth() | ops.AddMacvlan() | ops.AddIpvlan():
            index = ours(op.ifname, identity, spaces)
            if index:
                make.remove(index, spaces)
        case ops.SetLink():
            _set_back(op, spaces)
        case ops.WriteSysctl():
            _write_back(op, spaces)
        case ops.AddMasquerade():
            nft.forget_masquerade(op.network, op.container_id, op.ifname, spaces)
        case ops.AddSpoofCheck():
            nft.forget_spoof_check(op.container_id, op.ifname, spaces)
        case _:
            return


def ours(ifname: str, identity: Identity | None, spaces: Spaces) -> int:
    """Return the index of the link if it is the one that was made, 0 if not."""
    body = spaces.link_body(SANDBOX, ifname)
    if body is None:
        return 0
    link = links.parse(body)
    if identity is None:
        return link.index if links.group_of(body) == links.OUR_GROUP else 0
    is_same = link.index == identity.index and links.group_of(body) == links.OUR_GROUP
    return link.index if is_same else 0


def _set_back(op: ops.SetLink, spaces: Spaces) -> None:
    if op.previous is None or spaces.link(op.where, op.name) is None:
        return
    apply.set_link(msgspec.structs.replace(op.previous, previous=None), spaces)


def _write_back(op: ops.WriteSysctl, spaces: Spaces) -> None:
    if op.previous is None or (op.where is SANDBOX and not spaces.has_sandbox):
        return
    try:
        apply.write_sysctl(ops.WriteSysctl(where=op.where, key=op.key, value=op.previous), spaces)
    except PluginError:
        return  # the sysctl went with its link


def delete_links(made: Sequence[tuple[str, Identity | None]], spaces: Spaces) -> None:
    """Delete several links at once: as a group when the group holds nothing else.

    One message for all of them waits for one grace period instead of one each (speed.md).
    """
    if not spaces.has_sandbox:
        return
    found = _ours_by_index(spaces)
    wanted = {
        index
        for name, identity in made
        for index, own in found.items()
        if own == name and (identity is None or identity.index == index)
    }
    if len(wanted) > 1 and wanted == found.keys():
        try:
            body = links.header() + u32(links.IFLA_GROUP, links.OUR_GROUP)
            spaces.socket(SANDBOX).one(links.RTM_DELLINK, 0, body)
        except KernelError:
            pass  # one that cannot be deleted spoils the group: one by one, then
        else:
            return
    for index in sorted(wanted):
        make.remove(index, spaces)


def _ours_by_index(spaces: Spaces) -> dict[int, str]:
    """Return the names of the sandbox's links that carry our group."""
    question = links.header() + u32(links.IFLA_EXT_MASK, 8)
    heard = spaces.socket(SANDBOX).dump(links.RTM_GETLINK, question)
    return {
        links.index_of(message.body): links.name_of(message.body)
        for message in heard
        if links.group_of(message.body) == links.OUR_GROUP
    }
