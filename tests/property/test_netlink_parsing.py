"""Whatever bytes come, the parsers answer with a value or a KernelError, and they end."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz import targets

from polypod.errors import KernelError
from polypod.kernel import links, netlink
from polypod.kernel.layouts import Layouts
from polypod.kernel.netlink import Message

Parser = Callable[[bytes], object]

PARSERS: tuple[Parser, ...] = (
    *targets.PARSERS,
    links.index_of,
    lambda raw: list(netlink.messages(raw)),
    lambda raw: list(netlink.each_attribute(raw)),
)
PAIRS = st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40)), max_size=8)
NESTS = st.recursive(
    st.binary(max_size=24),
    lambda inner: st.lists(st.tuples(st.integers(0, 60), inner), max_size=6).map(
        lambda pairs: b"".join(netlink.attr(kind, raw) for kind, raw in pairs)
    ),
    max_leaves=12,
)
"""Attributes within attributes, of the types that the parsers know, with any payload."""


def parsed(parser: Parser, raw: bytes) -> object:
    try:
        return parser(raw)
    except KernelError as error:
        return error


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_by_every_parser(raw: bytes) -> None:
    for parser in PARSERS:
        parsed(parser, raw)


@given(st.binary(min_size=16, max_size=16), NESTS)
@example(bytes(16), netlink.attr(links.IFLA_OPERSTATE, b""))
def test_any_attributes_are_answered_by_every_parser(head: bytes, attributes: bytes) -> None:
    for parser in PARSERS:
        parsed(parser, head + attributes)
        parsed(parser, head[:8] + attributes)
        parsed(parser, bytes([2, 24, 0, 0, 254, 3, 0, 1]) + head[:4] + attributes)


@given(st.binary(max_size=200), st.integers(0, 0xFFFF))
@example((-0x80000000).to_bytes(4, "little", signed=True), 0)
def test_any_acknowledgement_is_an_error_or_none(body: bytes, flags: int) -> None:
    try:
        found = netlink._error(Message(netlink.NLMSG_ERROR, flags, body))
    except KernelError as error:
        found = error

    assert found is None or (found.cause and "\n" not in found.cause)


@given(PAIRS)
def test_attributes_are_read_as_they_were_written(pairs: list[tuple[int, bytes]]) -> None:
    raw = b"".join(netlink.attr(kind, payload) for kind, payload in pairs)

    assert list(netlink.each_attribute(raw)) == pairs
    assert netlink.attributes(raw) == dict(pairs)


@given(st.lists(NESTS, min_size=1, max_size=6))
def test_what_was_learnt_changes_no_answer(messages: list[bytes]) -> None:
    """One reader that has seen others finds what one that has seen none finds."""

    def reader() -> Layouts:
        return Layouts(numbers=((1,), (2,), (3, 1)), payloads=((4,), (3, 2)))

    learnt = reader()
    for raw in [*messages, *messages]:
        for cut in (raw, raw[:-4], raw[:-1]):
            assert learnt.read(cut) == reader().read(cut)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_messages_are_read_as_they_were_sent(bodies: list[bytes]) -> None:
    last = len(bodies)
    raw = b"".join(
        netlink._framed(Message(16, 0, body), number, last)
        for number, body in enumerate(bodies, start=1)
    )

    read = list(netlink.messages(raw))

    assert [(message.body, number) for message, number in read] == [
        (body, number) for number, body in enumerate(bodies, start=1)
    ]
    acknowledged = [bool(message.flags & netlink.NLM_F_ACK) for message, _ in read]
    assert acknowledged == [number == last for number in range(1, last + 1)]
