"""What a layout finds is what a walk finds, whatever was learnt before."""

from __future__ import annotations

from polypod.kernel import netlink
from polypod.kernel.layouts import Layouts
from polypod.kernel.netlink import attr, nest, u8, u32

NAME, SIZE, OTHER, NEST, INNER, FLAG = 3, 4, 5, 18, 2, 7


def layouts() -> Layouts:
    return Layouts(numbers=((SIZE,), (NEST, INNER, FLAG)), payloads=((NAME,), (NEST, 1)))


def message(name: bytes, size: int, flag: int, other: int = OTHER) -> bytes:
    inner = nest(INNER, u32(1, 9), u8(FLAG, flag))
    return attr(NAME, name) + u32(other, 77) + u32(SIZE, size) + nest(NEST, attr(1, b"veth"), inner)


def test_like_messages_are_read_with_one_layout() -> None:
    reader = layouts()

    assert reader.read(message(b"eth0", 1500, 1)) == ((1500, 1), (b"eth0", b"veth"))
    assert reader.read(message(b"net1", 9000, 0)) == ((9000, 0), (b"net1", b"veth"))
    assert [len(known) for known in reader._known.values()] == [1]


def test_a_message_of_the_same_length_and_another_layout_is_walked_through() -> None:
    reader = layouts()
    reader.read(message(b"eth0", 1500, 1))

    assert reader.read(message(b"eth0", 1500, 1, other=SIZE)) == ((1500, 1), (b"eth0", b"veth"))
    assert reader.read(message(b"ab0", 1500, 1)) == ((1500, 1), (b"ab0", b"veth"))
    assert [len(known) for known in reader._known.values()] == [3]


def test_what_is_missing_is_zero_and_empty() -> None:
    reader = layouts()

    for _ in range(2):
        assert reader.read(u32(OTHER, 1)) == ((0, 0), (b"", b""))
        assert reader.read(b"") == ((0, 0), (b"", b""))


def test_a_damaged_message_teaches_nothing() -> None:
    """What was left over in one message may be an attribute in the next."""
    reader = layouts()
    damaged = attr(NAME, b"eth0") + bytes(8)

    assert reader.read(damaged) == ((0, 0), (b"eth0", b""))
    assert reader.read(attr(NAME, b"eth0") + u32(SIZE, 5)) == ((5, 0), (b"eth0", b""))
    assert reader.read(nest(NEST, bytes(8))) == ((0, 0), (b"", b""))
    assert reader.read(nest(NEST, attr(1, b"abcd"))) == ((0, 0), (b"", b"abcd"))


def test_a_number_of_any_size_is_read() -> None:
    reader = layouts()

    for _ in range(2):
        assert reader.read(attr(SIZE, b"\x01\x02\x03")) == ((0x030201, 0), (b"", b""))
        assert reader.read(attr(SIZE, b"")) == ((0, 0), (b"", b""))


def test_the_last_of_a_type_counts() -> None:
    reader = layouts()

    for _ in range(2):
        assert reader.read(u32(SIZE, 1) + u32(SIZE, 2)) == ((2, 0), (b"", b""))


def test_what_is_remembered_is_bounded() -> None:
    reader = layouts()

    for length in range(2000):
        reader.read(attr(OTHER, bytes(4 * length)))
    for kind in range(100, 200):
        reader.read(attr(kind, bytes(4)))

    assert len(reader._known) <= 256
    assert max(len(known) for known in reader._known.values()) <= 8


def test_a_head_is_compared_with_its_flags() -> None:
    reader = layouts()

    for kind in (SIZE, SIZE | netlink.NESTED):
        assert reader.read(u32(kind, 6)) == ((6, 0), (b"", b""))
