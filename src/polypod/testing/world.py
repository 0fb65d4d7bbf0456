"""A small world: namespaces with links, addresses, routes, sysctls, and nft rules.

What the fake kernel changes, and what a test looks at afterwards. Values are plan.facts' own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from polypod.errors import PluginError
from polypod.plan.facts import Address, Link, Port, RouteFact

HOST_COOKIE = 1


@dataclass(slots=True, kw_only=True)
class Space:
    """One network namespace."""

    cookie: int
    links: dict[str, Link] = field(default_factory=dict[str, Link])
    addresses: dict[str, tuple[Address, ...]] = field(
        default_factory=dict[str, tuple[Address, ...]]
    )
    routes: tuple[RouteFact, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict[str, str])
    ports: dict[str, Port] = field(default_factory=dict[str, Port])
    ours: set[str] = field(default_factory=set[str])
    """Links that an op made (the real door marks them with a group number)."""

    def forget(self, name: str) -> None:
        """Take a link away, with its addresses, routes and port."""
        self.links.pop(name, None)
        self.addresses.pop(name, None)
        self.ports.pop(name, None)
        self.ours.discard(name)
        self.routes = tuple(route for route in self.routes if route.device != name)
        kept = {key: value for key, value in self.sysctls.items() if name not in key.split("/")}
        self.sysctls = kept


@dataclass(slots=True)
class World:
    """A node's namespaces: the host, and sandboxes by path and by descriptor."""

    host: Space = field(default_factory=lambda: Space(cookie=HOST_COOKIE))
    sandboxes: dict[str, Space] = field(default_factory=dict[str, Space])
    descriptors: dict[int, Space] = field(default_factory=dict[int, Space])
    rules: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    """nft rules: ("masquerade" or "spoof", container id, interface name, ...)."""
    _last: int = 1

    def sandbox(self, path: str) -> Space:
        """Return the sandbox at a path, made with a loopback when it is not there."""
        if path not in self.sandboxes:
            self._last += 1
            self.sandboxes[path] = Space(cookie=HOST_COOKIE + self._last)
            self.add(self.sandboxes[path], Link(name="lo", index=1, mtu=65536))
        return self.sandboxes[path]

    def number(self) -> int:
        """Return an interface index that no link has."""
        self._last += 1
        return self._last

    def mac(self, index: int) -> str:
        """Return the MAC that the kernel would have made up for a link."""
        return "02:00:" + ":".join(f"{byte:02x}" for byte in index.to_bytes(4, "big"))

    def add(self, space: Space, link: Link) -> Link:
        """Put a link into a namespace; one without MAC, other than lo, gets one.

        Raises:
            PluginError: the kernel would refuse the name.
        """
        if len(link.name.encode()) > 15:
            raise PluginError(f'could not add "{link.name}": numerical result out of range')
        if not link.name or any(sign in "/:" or sign.isspace() for sign in link.name):
            raise PluginError(f'could not add "{link.name}": invalid argument')
        if not link.mac and link.name != "lo":
            link = replace(link, mac=self.mac(link.index))
        space.links[link.name] = link
        space.addresses.setdefault(link.name, ())
        return link

    def parent(self, name: str, *, mtu: int = 1500) -> Link:
        """Put a device with a carrier into the host, as a parent for macvlan and ipvlan."""
        return self.add(
            self.host, Link(name=name, index=self.number(), mtu=mtu, up=True, operstate="up")
        )

    def remove(self, space: Space, name: str) -> None:
        """Delete a link; a veth's peer goes with it."""
        link = space.links.get(name)
        if link is None:
            return
        space.forget(name)
        if link.kind == "veth":
            for other in self.spaces():
                for peer in list(other.links.values()):
                    if peer.kind == "veth" and peer.index == link.parent:
                        other.forget(peer.name)

    def destroy(self, path: str) -> None:
        """Delete a sandbox with everything in it."""
        space = self.sandboxes.pop(path, None)
        if space is None:
            return
        for name in list(space.links):
            self.remove(space, name)
        self.descriptors = {fd: one for fd, one in self.descriptors.items() if one is not space}

    def reboot(self) -> None:
        """Empty the kernel, as a boot does: hardware stays, sandboxes and rules go."""
        self.sandboxes.clear()
        self.descriptors.clear()
        self.rules.clear()
        for name in [name for name, link in self.host.links.items() if link.kind]:
            self.host.forget(name)

    def spaces(self) -> Iterable[Space]:
        """Return every namespace."""
        return (self.host, *self.sandboxes.values())

    def seen(self) -> list[object]:
        """Return what counts as left behind, to compare: names and values, no index numbers."""
        every = sorted([("host", self.host), *self.sandboxes.items()], key=lambda pair: pair[0])
        return [
            [
                (path, sorted(one.links), sorted(one.addresses.items()), set(one.routes))
                for path, one in every
            ],
            sorted(self.rules),
        ]
