"""Reads the file in which tuning kept a link's attributes (the reference's layout)."""

from __future__ import annotations

from polypod.cni import fields
from polypod.errors import PolypodError
from polypod.plan.facts import Where
from polypod.plan.ops import SetLink


def parse(content: bytes, ifname: str) -> SetLink | None:
    """Return the op that puts the attributes back, None when the file makes no sense."""
    try:
        kept = fields.decode_object(content, "backup")
        promisc, allmulti = fields.get(kept, "promisc"), fields.get(kept, "allmulti")
        return SetLink(
            where=Where.SANDBOX,
            name=ifname,
            mac=fields.text(kept, "mac") or None,
            mtu=fields.unsigned(kept, "mtu"),
            promisc=promisc if isinstance(promisc, bool) else None,
            allmulti=allmulti if isinstance(allmulti, bool) else None,
            tx_queue_len=fields.unsigned(kept, "txQLen"),
        )
    except PolypodError:
        return None
