"""CNI results and JSON as Hypothesis makes them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from hypothesis import strategies as st

from polypod.cni.result import DNS, Interface, IPConfig, Result, Route

TEXT = st.text(max_size=12)
# No text of a result holds a NUL: names and paths end at one, so it is refused when read.
WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)
PLAIN = st.text("/ab01:._<&>", max_size=8)
SMALL = st.integers(0, 1 << 31)

V4 = st.integers(0, (1 << 32) - 1).map(IPv4Address)
V6 = st.integers(0, (1 << 128) - 1).map(IPv6Address).filter(lambda found: found.ipv4_mapped is None)
PREFIXES = st.one_of(
    st.tuples(V4, st.integers(0, 32)).map(IPv4Interface),
    st.tuples(V6, st.integers(0, 128)).map(IPv6Interface),
)
GATEWAYS = st.none() | V4 | V6

LINKS = st.builds(
    Interface,
    name=WORDS,
    mac=st.text("0123456789abcdef:", max_size=17),
    mtu=SMALL,
    sandbox=PLAIN,
    socket_path=PLAIN,
    pci_id=PLAIN,
)
IPS = st.builds(
    IPConfig, address=PREFIXES, gateway=GATEWAYS, interface=st.none() | st.integers(0, 9)
)
ROUTES = st.builds(
    Route,
    dst=PREFIXES,
    gw=GATEWAYS,
    mtu=SMALL,
    advmss=SMALL,
    priority=SMALL,
    table=st.none() | SMALL,
    scope=st.none() | st.integers(0, 255),
)
NAMES = st.lists(WORDS, max_size=3).map(tuple)
SERVERS = st.builds(DNS, nameservers=NAMES, domain=WORDS | st.just(""), search=NAMES, options=NAMES)
RESULTS = st.builds(
    Result,
    interfaces=st.lists(LINKS, max_size=3).map(tuple),
    ips=st.lists(IPS, max_size=3).map(tuple),
    routes=st.lists(ROUTES, max_size=3).map(tuple),
    dns=SERVERS,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
