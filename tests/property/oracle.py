"""Netlink messages as pyroute2, an independent reader, understands them: plain dicts."""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

Read: TypeAlias = dict[str, Any]

_READERS = {"link": (ifinfmsg, 16), "address": (ifaddrmsg, 20), "route": (rtmsg, 24)}
_FRAME = ("header", "__align", "state")


def read(kind: str, body: bytes) -> Read:
    """Return the fields and attributes of a message, by pyroute2's names."""
    reader, number = _READERS[kind]
    message = reader(struct.pack("=IHHII", 16 + len(body), number, 0, 1, 0) + body)
    message.decode()
    found: Read = _plain(message)
    return found


def family_of(number: int) -> str:
    """Return the reader for a message type of rtnetlink: four types share one."""
    return ("link", "address", "route")[(number - 16) // 4]


def _plain(value: Any) -> Any:
    if not (isinstance(value, dict) and any(key == "attrs" for key in value)):
        return value
    found = {
        key: inner
        for key, inner in value.items()
        if key not in {"attrs", *_FRAME} and inner not in (0, None)
    }
    for name, inner in ((item[0], item[1]) for item in value["attrs"]):
        assert name not in found, f"{name} comes twice"
        found[name] = _plain(inner)
    return found
