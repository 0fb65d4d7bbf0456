"""The annotation's grammar: what is rendered is read, and of junk comes an error at most."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from polypod.cni.request import Request
from polypod.engine.doors import Settings
from polypod.engine.resolve import resolve
from polypod.errors import PolypodError
from polypod.nad import selection
from polypod.nad.selection import Selection
from polypod.testing.node import Node

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
interfaces = st.from_regex(r"[a-zA-Z0-9_.-]{1,15}", fullmatch=True)
macs = st.lists(st.integers(0, 255), min_size=6, max_size=6).map(
    lambda parts: ":".join(f"{part:02x}" for part in parts)
)
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda p: f"{p[0]}/{p[1]}"),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda p: f"{p[0]}/{p[1]}"),
)
rates = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("ingressRate", "ingressBurst", "egressRate", "egressBurst"), st.integers(0, 2**40)
    ),
)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
selections = st.builds(
    Selection,
    name=labels,
    namespace=labels,
    interface=st.none() | interfaces,
    mac=st.none() | macs,
    ips=st.none() | st.lists(addresses, max_size=3).map(tuple),
    bandwidth=st.none() | rates,
    device_id=st.none() | labels,
    cni_args=st.none() | st.dictionaries(st.text(max_size=8), plain_json, max_size=3),
    default_route=st.none() | st.lists(st.ip_addresses().map(str), max_size=2).map(tuple),
)
KEYS = {
    "device_id": "deviceID",
    "cni_args": "cni-args",
    "default_route": "default-route",
    "infiniband_guid": "infiniband-guid",
    "port_mappings": "portMappings",
}


def rendered(found: list[Selection]) -> str:
    elements: list[dict[str, Any]] = []
    for one in found:
        given_ = {name: getattr(one, name) for name in Selection.__struct_fields__}
        elements.append(
            {KEYS.get(name, name): value for name, value in given_.items() if value is not None}
        )
    return json.dumps(elements)


@given(st.lists(selections, max_size=5))
def test_a_json_list_that_was_rendered_is_read(found: list[Selection]) -> None:
    assert list(selection.parse(rendered(found), "elsewhere")) == found


@given(
    st.lists(
        st.builds(Selection, name=labels, namespace=labels, interface=st.none() | interfaces),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["", " ", "  "]),
)
def test_a_comma_list_that_was_rendered_is_read(found: list[Selection], blank: str) -> None:
    items = [
        f"{one.namespace}/{one.name}{'' if one.interface is None else '@' + one.interface}"
        for one in found
    ]

    assert list(selection.parse(f"{blank},{blank}".join(items), "elsewhere")) == found


@given(st.text(max_size=200) | plain_json.map(json.dumps) | st.lists(plain_json).map(json.dumps))
def test_of_any_text_comes_a_selection_or_an_error(text: str) -> None:
    try:
        found = selection.parse(text, "default")
    except PolypodError as error:
        assert error.cause.isprintable()  # noqa: PT017 - most texts are errors, some are not
        return
    for one in found:
        for address in one.ips or ():
            ipaddress.ip_interface(address)
            assert ";" not in address
        assert one.mac is None or ";" not in one.mac


CONFIG = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "up0"}'
asked = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"])},
        optional={"interface": st.sampled_from(["eth0", "net1", "net2", "net3", "x", "", "lo"])},
    ),
    max_size=5,
)


def names_of(elements: list[dict[str, str]], *, has_primary: bool) -> list[str]:
    node = Node(settings=Settings(boot_id="b"))
    for name in ("a", "b"):
        node.source.add_definition("default", name, CONFIG)
    if has_primary:
        node.networks.raw = b'{"cniVersion":"1.0.0","name":"cbr0","type":"macvlan"}'
    pod = node.add_pod("default", "p", networks=json.dumps(elements))
    request: Request = pod.request("ADD")
    found = resolve(request, node.source.pod("default", "p"), node.doors())
    return [one.ifname for one in found]


@given(elements=asked, has_primary=st.booleans())
def test_interface_names_are_always_unique(
    *, elements: list[dict[str, str]], has_primary: bool
) -> None:
    """Or else it is an error, and exactly then when two ask for one name."""
    wanted = ["eth0"] if has_primary else []
    wanted += [one.get("interface") or f"net{place}" for place, one in enumerate(elements, 1)]
    try:
        names = names_of(elements, has_primary=has_primary)
    except PolypodError:
        assert len(set(wanted)) < len(wanted) or "lo" in wanted
        return

    assert names == wanted
    assert len(set(names)) == len(names)
