"""Parsers that read what others wrote, each as one function of bytes.

A target answers, or raises one of our own errors; anything else is a finding. `./dev fuzz` drives
them by coverage, tests/property/test_fuzz_targets.py with Hypothesis on every run.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from h2.exceptions import H2Error

from polypod.cni import config, lists, request, versions
from polypod.cni.labels import ALL_VERSIONS
from polypod.daemon import settings_file, wire
from polypod.errors import PolypodError
from polypod.kernel import links, netlink, routes
from polypod.kernel.netlink import Message
from polypod.kube import grpc, pod_resources, protobuf
from polypod.nad import devices, multus_settings, node_settings, selection
from polypod.plan.ops import RouteSpec

_ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/a",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin",
}
PARSERS: tuple[Callable[[bytes], object], ...] = (
    links.parse,
    links.parse_port,
    links.identity_of,
    links.name_of,
    links.peer_of,
    links.group_of,
    routes.parse_address,
    routes.device_of,
    lambda body: routes.parse_route(body, {}),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A parser, and a few inputs that it takes."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def read_netlink(raw: bytes) -> None:
    """Read a datagram from the kernel: acknowledgements, links, addresses, routes."""
    with contextlib.suppress(PolypodError):
        for message, _ in netlink.messages(raw):
            for parse in PARSERS:
                with contextlib.suppress(PolypodError):
                    parse(message.body)
            for kind in (netlink.NLMSG_ERROR, netlink.NLMSG_DONE):
                with contextlib.suppress(PolypodError):
                    netlink._error(Message(kind, message.flags, message.body))


def read_frame(raw: bytes) -> None:
    """Read a request that the shim kept, and what a plugin that it ran answered."""
    for parse in (wire.parse_spooled, wire.parse_ran):
        with contextlib.suppress(PolypodError):
            parse(raw)


def read_annotation(raw: bytes) -> None:
    """Read a pod's choice of networks."""
    text = raw.decode("utf-8", "replace")
    with contextlib.suppress(PolypodError):
        selection.parse(text, "default")
    with contextlib.suppress(PolypodError):
        selection.parse_default(text, "kube-system")


def read_config(raw: bytes) -> None:
    """Read a plugin's stdin, a list of plugins, and a result, in every version."""
    readers: tuple[Callable[[bytes], object], ...] = (
        config.parse_config,
        lists.parse_list,
        lambda stdin: request.parse(_ENVIRONMENT, stdin),
        *(
            lambda result, version=version: versions.parse(result, version)
            for version in ALL_VERSIONS
        ),
    )
    for read in readers:
        with contextlib.suppress(PolypodError):
            read(raw)


def read_settings(raw: bytes) -> None:
    """Read an operator's settings, ours or Multus's."""
    with contextlib.suppress(PolypodError):
        reading = settings_file.parse(raw, "fuzz")
        node_settings.given(multus_settings.with_multus_defaults(reading))


class _Wire:
    """A connection on which these bytes arrive, and then its end."""

    def __init__(self, raw: bytes) -> None:
        self._left = [b"", raw]

    def recv(self, _size: int) -> bytes:
        return self._left.pop()

    def sendall(self, _content: bytes) -> None:
        return


def read_grpc(raw: bytes) -> None:
    """Read what arrives on a connection to the kubelet or the runtime."""
    with contextlib.suppress(PolypodError, H2Error):  # call() turns the latter into ours
        exchange = grpc._Exchange(cast("socket.socket", _Wire(raw)), 1 << 16)
        exchange.ask("/a/b", b"")
        while not exchange.is_over:
            exchange.listen()
        exchange.answer()


def read_devices(raw: bytes) -> None:
    """Read what the kubelet says of a pod's devices, and what a device plugin says of one."""
    with contextlib.suppress(PolypodError):
        for pod in protobuf.messages(protobuf.parse(raw), 1):
            pod_resources._held(pod)
    devices.read_info(raw)


def _sent(kind: int, body: bytes, flags: int = 0) -> bytes:
    return netlink._framed(Message(kind, flags, body), 1, 1)


_CDI = protobuf.render((1, "vendor.com/nic=d"))
_CONTAINER = protobuf.render(
    (1, "main"),
    (2, protobuf.render((1, "example.com/nic"), (2, "d1"), (2, "d2"))),
    (5, protobuf.render((2, "c"), (3, "n"), (4, protobuf.render((1, _CDI))))),
)
_CALL = wire.WireRequest(argv0="polypod", environment=_ENVIRONMENT, stdin=b"{}")

TARGETS: Mapping[str, Target] = {
    "netlink": Target(
        read_netlink,
        (
            _sent(16, links.bridge("br0", 1500, "02:00:00:00:00:01", vlan_filtering=True)),
            _sent(20, routes.address(3, "10.1.2.3/24")),
            _sent(24, routes.route(3, RouteSpec(dst="10.9.0.0/16", gw="10.1.2.1"))),
            _sent(2, bytes(20) + netlink.text(1, "no"), netlink.NLM_F_CAPPED),
        ),
    ),
    "frame": Target(read_frame, (wire.render_request(_CALL),)),
    "grpc": Target(
        read_grpc,
        (
            b"\0\0\0\4\0\0\0\0\0",  # SETTINGS
            b"\0\0\0\4\0\0\0\0\0\0\0\x01\1\4\0\0\0\1\x88\0\0\x05\0\1\0\0\0\1\0\0\0\0\0",
        ),
    ),
    "devices": Target(
        read_devices,
        (
            protobuf.render((1, protobuf.render((1, "p"), (2, "n"), (3, _CONTAINER)))),
            b'{"type":"pci","pci":{"pci-address":"0000:08:00.3"}}',
        ),
    ),
    "annotation": Target(
        read_annotation,
        (
            b"default/a@net1, b",
            b'[{"name":"a","ips":["10.0.0.2/24"],"default-route":["10.0.0.1"]}]',
        ),
    ),
    "settings": Target(
        read_settings,
        (
            b"clusterNetwork: a\ndefaultNetworks: [b, /c]\nnamespaceIsolation: false\n",
            b'{"globalNamespaces":"a,b","multusMasterCNI":"x","multusAutoconfigDir":"/host/y"}',
            b'{"plugins":[{"type":"multus","loglevel":"verbose","binDir":"/host/opt"}]}',
        ),
    ),
    "config": Target(
        read_config,
        (
            b'{"cniVersion":"1.0.0","name":"n","type":"bridge","ipam":{"type":"static"}}',
            b'{"cniVersion":"0.4.0","name":"n","plugins":[{"type":"a","capabilities":{"ips":true}}]}',
            b'{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24","routes":[{"dst":"0.0.0.0/0"}]}}',
        ),
    ),
}
