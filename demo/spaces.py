"""Named network namespaces, as `ip netns` makes them: below /run/netns, without needing `ip`.

The lab's folders are private to it (`./dev` mounts an empty /run), so nothing here is seen outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from polypod.kernel import links, routes
from polypod.kernel.door import KernelDoor, OpenNamespaces
from polypod.kernel.netlink import Rtnetlink
from polypod.plan.facts import Link
from polypod.plan.ops import Configure

FOLDER = Path("/run/netns")
_CLONE_NEWNET, _MS_BIND, _MNT_DETACH = 0x40000000, 0x1000, 2
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Space:
    """One network namespace, open as long as the lab lasts."""

    name: str
    fd: int

    @property
    def path(self) -> Path:
        """Return where the namespace is mounted."""
        return FOLDER / self.name

    @property
    def inode(self) -> int:
        """Return its number, as /proc/PID/ns/net shows it."""
        return os.fstat(self.fd).st_ino

    @contextlib.contextmanager
    def inside(self) -> Generator[None]:
        """Run a block in this namespace: sockets and children made there belong to it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(self.fd, _CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(home)

    @contextlib.contextmanager
    def open(self, sandbox: Space | None = None) -> Generator[OpenNamespaces]:
        """Open this namespace as the host, and another (or itself) as the sandbox."""
        with KernelDoor().enter(sandbox=(sandbox or self).fd, host=self.fd) as namespaces:
            yield namespaces

    def links(self) -> list[Link]:
        """Return every link in it."""
        heard = self._dump(links.RTM_GETLINK, links.header())
        return [links.parse(body) for body in heard]

    def addresses(self) -> dict[str, list[str]]:
        """Return addresses by link; the kernel's own link-local ones are left out."""
        names = {link.index: link.name for link in self.links()}
        found: dict[str, list[str]] = {}
        for body in self._dump(routes.RTM_GETADDR, routes.addresses_question(0)):
            index, address = routes.parse_address(body)
            if not address.address.startswith("fe80:"):
                found.setdefault(names.get(index, "?"), []).append(address.address)
        return found

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        with self.inside():
            socket = Rtnetlink()
        try:
            return [message.body for message in socket.dump(kind, body)]
        finally:
            socket.close()


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make(name: str) -> Space:
    """Make a namespace with its loopback up."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    path.touch(exist_ok=False)
    faults: list[OSError] = []
    maker = threading.Thread(target=_mount_new, args=(path, faults))
    maker.start()
    maker.join()
    if faults:
        path.unlink()
        raise faults[0]
    space = Space(name, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    with space.open() as namespaces:
        namespaces.apply(Configure(ifname="lo"))
    return space


def _mount_new(path: Path, faults: list[OSError]) -> None:
    """Run in a thread of its own, since the thread changes its namespace for good."""
    source = b"/proc/thread-self/ns/net"
    if _libc.unshare(_CLONE_NEWNET) or _libc.mount(
        source, os.fsencode(path), b"none", _MS_BIND, None
    ):
        number = ctypes.get_errno()
        faults.append(OSError(number, os.strerror(number), str(path)))


def remove(space: Space) -> None:
    """Unmount a namespace and close it: the kernel then takes its links."""
    os.close(space.fd)
    _libc.umount2(os.fsencode(space.path), _MNT_DETACH)
    space.path.unlink(missing_ok=True)


def is_private() -> bool:
    """Tell whether this process has a network namespace of its own."""
    try:
        return Path("/proc/self/ns/net").readlink() != Path("/proc/1/ns/net").readlink()
    except PermissionError:  # an ordinary user in a user namespace may not look at process 1
        return True
