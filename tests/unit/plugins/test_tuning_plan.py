"""Tuning: facts in, ops out. Ids are the rows of the acceptance vectors."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.plugins.calls import plugin_call

from polypod.cni.result import Interface, Result
from polypod.errors import PluginError
from polypod.plan import ops as op
from polypod.plan.facts import Facts, Link, LinkQuery, SysctlQuery, Where
from polypod.plugins._shape import Call
from polypod.plugins.tuning import Tuning

PREV = Result(interfaces=(Interface(name="dummy0"), Interface(name="eth0", mac="old")))
LINK = Link(name="eth0", index=2, mac="02:00:00:00:00:01", mtu=1500, tx_queue_len=1000)


def _call(
    config: dict[str, object],
    arguments: str = "",
    ifname: str = "eth0",
    prev: Result | None = PREV,
) -> Call:
    return plugin_call(config, arguments, ifname=ifname, prev=prev)


def _facts(call: Call) -> Facts:
    return Facts(
        {query: "7" if isinstance(query, SysctlQuery) else LINK for query in Tuning().reads(call)}
    )


@pytest.mark.parametrize(
    ("config", "key"),
    [
        pytest.param(
            {"sysctl": {"net.ipv4.conf.all.log_martians": "0"}},
            "net/ipv4/conf/all/log_martians",
            id="L1",
        ),
        pytest.param(
            {"sysctl": {"net.ipv4.conf.IFNAME.accept_redirects": "0"}},
            "net/ipv4/conf/eth0/accept_redirects",
            id="L13",
        ),
        pytest.param(
            {"args": {"cni": {"sysctl": {"net.core.somaxconn": "0"}}}},
            "net/core/somaxconn",
            id="L22",
        ),
    ],
)
def test_a_sysctl_is_written_and_its_value_remembered(config: dict[str, object], key: str) -> None:
    call = _call(config)
    assert Tuning().plan_add(call, _facts(call), None) == (
        op.WriteSysctl(where=Where.SANDBOX, key=key, value="0", previous="7"),
    )


def _set(
    *,
    mac: str | None = None,
    mtu: int | None = None,
    promisc: bool | None = None,
    allmulti: bool | None = None,
    tx_queue_len: int | None = None,
    previous: op.SetLink | None = None,
) -> op.SetLink:
    return op.SetLink(
        where=Where.SANDBOX,
        name="eth0",
        mac=mac,
        mtu=mtu,
        promisc=promisc,
        allmulti=allmulti,
        tx_queue_len=tx_queue_len,
        previous=previous,
    )


MAC = "c2:11:22:33:44:66"


@pytest.mark.parametrize(
    ("config", "arguments", "change", "content"),
    [
        pytest.param(
            {"args": {"cni": {"promisc": True}}},
            "",
            _set(promisc=True, previous=_set(promisc=False)),
            '{\n "promisc": false\n}',
            id="L3",
        ),
        pytest.param(
            {"mtu": 1454},
            "",
            _set(mtu=1454, previous=_set(mtu=1500)),
            '{\n "mtu": 1500\n}',
            id="L4",
        ),
        pytest.param(
            {"txQLen": 20000},
            "",
            _set(tx_queue_len=20000, previous=_set(tx_queue_len=1000)),
            '{\n "txQLen": 1000\n}',
            id="L6",
        ),
        pytest.param(
            {"mac": MAC},
            "",
            _set(mac=MAC, previous=_set(mac=LINK.mac)),
            '{\n "mac": "02:00:00:00:00:01"\n}',
            id="L7",
        ),
        pytest.param(
            {},
            f"IgnoreUnknown=true;MAC={MAC}",
            _set(mac=MAC, previous=_set(mac=LINK.mac)),
            '{\n "mac": "02:00:00:00:00:01"\n}',
            id="L9",
        ),
        pytest.param(
            {"mac": "c2:11:22:33:44:01", "runtimeConfig": {"mac": MAC}},
            "MAC=c2:11:22:33:44:02",
            _set(mac=MAC, previous=_set(mac=LINK.mac)),
            '{\n "mac": "02:00:00:00:00:01"\n}',
            id="L10",
        ),
        pytest.param(
            {"allmulti": True},
            "",
            _set(allmulti=True, previous=_set(allmulti=False)),
            '{\n "allmulti": false\n}',
            id="L12",
        ),
    ],
)
def test_a_link_is_changed_after_its_attributes_were_kept(
    config: dict[str, object], arguments: str, change: op.SetLink, content: str
) -> None:
    call = _call(config, arguments)
    kept = op.KeepBackup(directory="/run/cni/tuning", name="dummy_eth0.json", content=content)
    assert Tuning().plan_add(call, _facts(call), None) == (kept, change)


@pytest.mark.parametrize("_row", [pytest.param(None, id="L7")])
def test_the_result_shows_the_new_mac(_row: None) -> None:
    call = _call({"mac": MAC})
    after = Facts({LinkQuery(Where.SANDBOX, "eth0"): Link(name="eth0", index=2, mac=MAC)})
    result = Tuning().result(call, (), after, None)
    assert [link.mac for link in result.interfaces] == ["", MAC]


@pytest.mark.parametrize(
    ("call", "allowlist", "text"),
    [
        pytest.param(
            _call({}, ifname="eth/0"),
            None,
            "Interface name (eth/0) contains an invalid character /",
            id="L15",
        ),
        pytest.param(
            _call({"sysctl": {"kernel.pid_max": "1"}}),
            None,
            'invalid net sysctl key: "kernel/pid_max"',
            id="L16",
        ),
        pytest.param(
            _call({"sysctl": {"net.ipv6.conf.IFNAME.x": "1"}}),
            ("^net.ipv4.conf.IFNAME.[a-z_]*$", ""),
            "Sysctl net.ipv6.conf.IFNAME.x is not allowed. Only the following sysctls are"
            " allowed: [^net.ipv4.conf.IFNAME.[a-z_]*$]",
            id="L18",
        ),
        pytest.param(_call({}, prev=None), None, "Required prevResult missing", id="L19"),
        pytest.param(
            _call({"mac": "zz"}),
            None,
            "invalid args zz for MAC addr: address zz: invalid MAC address",
            id="mac",
        ),
    ],
)
def test_a_wrong_call_is_refused(call: Call, allowlist: tuple[str, ...] | None, text: str) -> None:
    with pytest.raises(PluginError) as caught:
        Tuning().reads(msgspec.structs.replace(call, notes={}, allowed_sysctls=allowlist))
    assert caught.value.cause == text


@pytest.mark.parametrize("_row", [pytest.param(None, id="L4")])
def test_del_restores_the_backup(_row: None) -> None:
    assert Tuning().plan_del(_call({"mtu": "nonsense"}, prev=None)) == (
        op.RestoreBackup(directory="/run/cni/tuning", name="dummy_eth0.json", ifname="eth0"),
    )


def test_check_names_the_difference() -> None:
    call = _call({"mtu": 1300})
    with pytest.raises(PluginError) as caught:
        Tuning().check(call, _facts(call))
    assert caught.value.cause == (
        "Error: Tuning configured MTU of eth0 is 1300, current value is 1500"
    )
