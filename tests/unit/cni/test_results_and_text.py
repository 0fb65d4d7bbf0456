"""The corners of reading and writing: what is refused, and how it is told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address

import pytest

from polypod.cni import arguments, config, encode, failure, ip_text, request, versions
from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.result import DNS, IPConfig, Result, Route
from polypod.errors import (
    DecodeError,
    IncompatibleVersionError,
    InvalidEnvironmentError,
    PluginError,
    StorageError,
)

pytestmark = pytest.mark.unit
ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "a",
    "CNI_NETNS": "/run/netns/a",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin",
}
STDIN = b'{"cniVersion":"1.0.0","name":"mynet"}'


@pytest.mark.parametrize("no", ["0", "false", "FALSE"])
def test_unknown_arguments_are_not_ignored_when_that_is_said(no: str) -> None:
    with pytest.raises(PluginError) as caught:
        arguments.parse(f"IgnoreUnknown={no};A=b", frozenset())

    assert caught.value.cause == 'ARGS: unknown args ["A=b"]'


def test_a_word_that_is_no_boolean() -> None:
    with pytest.raises(PluginError) as caught:
        arguments.parse("IgnoreUnknown=x", frozenset())

    assert caught.value.cause == (
        'ARGS: error parsing value of pair "IgnoreUnknown=x":'
        " boolean unmarshal error: invalid input x"
    )


def test_a_configuration_may_be_one_mebibyte() -> None:
    long = b'{"name":"' + b"a" * config.STDIN_LIMIT + b'"}'

    with pytest.raises(DecodeError, match="longer than 1048576 bytes"):
        config.decode(long)


def test_a_configuration_is_read_in_order_json_name_version() -> None:
    assert config.decode(b" null ") == {}
    assert config.parse_config(STDIN).name == "mynet"
    with pytest.raises(DecodeError, match="decoding version from network config: cniVersion: "):
        config.parse_config(b'{"name":"mynet","cniVersion":1}')


def test_a_plugin_whose_newest_version_lacks_the_command() -> None:
    with pytest.raises(IncompatibleVersionError, match="plugin version does not allow GC"):
        config.check_version("GC", "1.1.0", ("0.4.0", "1.0.0"))


@pytest.mark.parametrize("name", ["CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE"])
def test_a_variable_has_a_limit(name: str) -> None:
    with pytest.raises(InvalidEnvironmentError, match=f"{name} is longer than 65536 characters"):
        request.parse({**ENVIRONMENT, name: "a" * 65537}, STDIN)


def test_a_container_id_has_a_limit() -> None:
    with pytest.raises(InvalidEnvironmentError, match="containerID is too long"):
        request.parse({**ENVIRONMENT, "CNI_CONTAINERID": "a" * 257}, STDIN)


@pytest.mark.parametrize(
    ("ifname", "msg"),
    [("", "interface name is empty"), ("..", "interface name is . or .."), (".", "is . or ..")],
)
def test_a_name_of_a_link(ifname: str, msg: str) -> None:
    with pytest.raises(InvalidEnvironmentError, match=msg):
        request.check_ifname(ifname)


def test_an_empty_container_id() -> None:
    with pytest.raises(InvalidEnvironmentError, match="missing containerID"):
        request.check_container_id("")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_hold(value: object) -> None:
    with pytest.raises(DecodeError, match="cannot encode the configuration"):
        encode.compact({"a": value})


def test_whole_floats_are_integers() -> None:
    raw = encode.compact({"b": 1.0, "a": [2.5, 3.0], "c": {"d": 1e21}})

    assert raw == b'{"a":[2.5,3],"b":1,"c":{"d":1e+21}}'


def test_a_hint_is_told_where_the_reference_has_no_words() -> None:
    ours, theirs = StorageError("no space", hint="make room"), PluginError("x")

    assert b'"details": "hint: make room"' in failure.render(ours)
    assert b"details" not in failure.render(ours, with_hint=False)
    assert b"details" not in failure.render(theirs, with_hint=False)


def test_version_is_one_line() -> None:
    listed = ",".join(f'"{one}"' for one in ALL_VERSIONS)

    wanted = f'{{"cniVersion":"1.1.0","supportedVersions":[{listed}]}}\n'
    assert failure.version_answer() == wanted.encode()


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1%eth0", "fe80::1%eth0", "010.0.0.1", "10.0.0.1/24", "banana"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - callers have words of their own
        ip_text.address(text)


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/255.0.0.0", "10.0.0.1/+8", "::ffff:10.0.0.1/64", "/8"],
)
def test_what_is_no_prefix(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - callers have words of their own
        ip_text.prefix(text)


def test_an_ipv4_address_may_be_written_as_ipv6() -> None:
    assert ip_text.address("::ffff:10.0.0.1") == IPv4Address("10.0.0.1")
    assert ip_text.prefix("::ffff:10.0.0.1/120") == IPv4Interface("10.0.0.1/24")
    assert ip_text.address("::1") == IPv6Address("::1")


@pytest.mark.parametrize(
    ("source", "msg"),
    [
        ({"ips": [{"address": "10.0.0.1"}]}, "address: invalid CIDR address: 10.0.0.1"),
        (
            {"ips": [{"address": "10.0.0.1/8", "gateway": "x"}]},
            "gateway: invalid IP address: x",
        ),
        ({"routes": [{}]}, "dst: invalid CIDR address: "),
        ({"interfaces": 5}, "interfaces: a list is expected, got a number"),
    ],
)
def test_a_result_that_cannot_be_read(source: dict[str, object], msg: str) -> None:
    with pytest.raises(DecodeError) as caught:
        versions.parse(source, "1.0.0")

    assert caught.value.cause == msg


def test_a_version_that_nobody_speaks() -> None:
    with pytest.raises(PluginError, match=r'unsupported CNI result version "9\.9\.9"'):
        versions.parse({}, "9.9.9")
    with pytest.raises(PluginError, match=r'unsupported CNI result version "9\.9\.9"'):
        versions.render(Result(), "9.9.9")


def test_the_first_address_of_each_family_is_told_in_the_oldest_shape() -> None:
    ips = tuple(IPConfig(address=IPv4Interface(f"10.0.0.{n}/8")) for n in (1, 2))
    route = Route(dst=IPv4Interface("0.0.0.0/0"), gw=IPv4Address("10.0.0.9"), priority=5)

    found = versions.to_json(Result(ips=ips, routes=(route,), dns=DNS(domain="d")), "0.2.0")

    assert found == {
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.0.0.1/8", "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.9"}]},
        "dns": {"domain": "d"},
    }
