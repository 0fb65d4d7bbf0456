"""The measurements' own world: a network and mount namespace, and inside it a namespace per pod.

Nothing of the machine's network is touched, and all of it goes when the measuring process ends.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path

from polypod.kernel import links
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_EXCL, Rtnetlink

_INSIDE = "POLYPOD_BENCH_LAB"
_CLONE_NEWNET, _MS_BIND = 0x40000000, 4096
_ENTER = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && exec "$@"'
NETNS = Path("/run/netns")
PARENT = "uplink"


def enter() -> None:
    """Run this process again inside namespaces of its own, unless it is there already."""
    if os.environ.get(_INSIDE):
        return
    flags = ["-nm", "--propagation", "private"] if os.geteuid() == 0 else ["-Urnm"]
    again = [sys.executable, "-m", "bench", *sys.argv[1:]]
    os.execvpe(
        "unshare",
        ["unshare", *flags, "sh", "-c", _ENTER, "sh", *again],
        {**os.environ, _INSIDE: "1"},
    )


def build() -> None:
    """Make the links that pods hang on: a wire as parent of macvlans, loopback."""
    kernel = Rtnetlink()
    new = NLM_F_CREATE | NLM_F_EXCL
    kernel.one(links.RTM_NEWLINK, new, links.host_pair(PARENT, "farend", 0))
    for name in ("lo", PARENT, "farend"):
        set_up(kernel, name)
    kernel.close()


def add_bridges(*names: str) -> None:
    """Make bridges and set them up."""
    kernel = Rtnetlink()
    for name in names:
        body = links.bridge(name, 0, "", vlan_filtering=False)
        kernel.one(links.RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)
    kernel.close()


def set_up(kernel: Rtnetlink, name: str) -> None:
    """Set a link up."""
    (heard,) = kernel.one(links.RTM_GETLINK, 0, links.by_name(name))
    up = links.header(links.parse(heard.body).index, 1, 1)
    kernel.one(links.RTM_NEWLINK, 0, up)


def links_here() -> set[str]:
    """Return the names of all links of this namespace."""
    kernel = Rtnetlink()
    heard = kernel.dump(links.RTM_GETLINK, links.header())
    kernel.close()
    return {links.parse(message.body).name for message in heard}


def add_namespaces(count: int) -> list[str]:
    """Make the pods' namespaces and return their paths."""
    paths = [str(NETNS / f"pod{number}") for number in range(count)]
    for path in paths:
        maker = threading.Thread(target=_pin_new_namespace, args=(path,))
        maker.start()
        maker.join()
    return paths


def _pin_new_namespace(path: str) -> None:
    """Leave this thread's namespace for a new one, and bind that to a path."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    Path(path).touch()
    source = b"/proc/thread-self/ns/net"
    if libc.mount(source, path.encode(), None, _MS_BIND, None):
        raise OSError(ctypes.get_errno(), "mount")
