"""Masquerade rules and spoof checks, through `nft`'s JSON interface, in the host's namespace.

Tables, chains and comments are those of the reference plugins, so that either removes what the
other made. Rules are found by their comments.
"""

from __future__ import annotations

import hashlib
import ipaddress
import subprocess
from collections.abc import Mapping
from typing import TypeAlias, cast

import msgspec

from polypod.errors import PluginError, PolypodError, UnsupportedError
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import HOST

Json: TypeAlias = dict[str, object]

MASQUERADE = {"family": "inet", "table": "cni_plugins_masquerade"}
BRIDGE = {"family": "bridge", "table": "nat"}
_COMMENT_BYTES = 128
_TIMEOUT_S = 20.0
_NO_TABLE = "No such file or directory"


def _nft(commands: list[Json], spaces: Spaces, what: str) -> None:
    _run(["nft", "-j", "-f", "-"], msgspec.json.encode({"nftables": commands}), spaces, what)


def _run(command: list[str], stdin: bytes, spaces: Spaces, what: str) -> bytes:
    try:
        with spaces.turn.aside, spaces.inside(HOST):
            done = subprocess.run(
                command, input=stdin, capture_output=True, check=False, timeout=_TIMEOUT_S
            )
    except FileNotFoundError as error:
        raise UnsupportedError(
            f'{what}: exec: "nft": executable file not found in $PATH',
            hint="install nftables on this node, or leave ipMasq and macspoofchk out",
            code=999,
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PluginError(f"{what}: nft did not finish in {_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip().splitlines() or ["nft failed"]
        raise _refusal(f"{what}: {told[0][:300]}")
    return done.stdout


def _refusal(cause: str) -> PolypodError:
    if "Operation not supported" in cause:
        hint = "this kernel lacks a part of nftables: load its modules, or use another kernel"
        return UnsupportedError(cause, hint=hint, code=999)
    return PluginError(cause)


class Table(msgspec.Struct, frozen=True):
    """What is in a table: the names of its chains, and its rules."""

    chains: frozenset[object] = frozenset()
    rules: tuple[Mapping[str, object], ...] = ()


def _table(place: Mapping[str, str], spaces: Spaces) -> Table:
    """Return a table, an empty one where it, or nftables, is not there."""
    command = ["nft", "-j", "list", "table", place["family"], place["table"]]
    try:
        listed = _run(command, b"", spaces, "failed to read nftables")
    except UnsupportedError:
        return Table()
    except PluginError as error:
        if _NO_TABLE not in error.cause:
            raise
        return Table()
    decoded = cast("Mapping[str, list[Mapping[str, Json]]]", msgspec.json.decode(listed))
    entries = decoded.get("nftables", [])
    return Table(
        chains=frozenset(entry["chain"].get("name") for entry in entries if "chain" in entry),
        rules=tuple(entry["rule"] for entry in entries if "rule" in entry),
    )


def short_hash(text: str) -> str:
    """Return the reference's 16 hex digits of a name."""
    return hashlib.sha512(text.encode()).hexdigest()[:16]


def masquerade_mark(network: str, container_id: str, ifname: str) -> str:
    """Return how the comments of an attachment's rules begin."""
    return f"{short_hash(network)}-{short_hash(f'{ifname}:{container_id}')}"


def add_masquerade(op: ops.AddMasquerade, spaces: Spaces) -> None:
    """Masquerade what the addresses send out of their own networks; a repeat replaces."""
    mark = masquerade_mark(op.network, op.container_id, op.ifname)
    comment = f"{mark}, net: {op.network}, if: {op.ifname}, id: {op.container_id}"
    comment = comment.replace('"', "")[:_COMMENT_BYTES]
    commands = [
        *_masquerade_frame(),
        *_masquerade_deletions(mark, spaces),
        *(_masquerade_rule(address, comment) for address in op.addresses),
    ]
    _nft(commands, spaces, "failed to set up masquerade")


def _masquerade_frame() -> list[Json]:
    table: Json = {
        "family": "inet",
        "name": MASQUERADE["table"],
        "comment": "Masquerading for plugins from github.com/containernetworking/plugins",
    }
    checks: Json = {
        **MASQUERADE,
        "name": "masq_checks",
        "comment": "Masquerade traffic from certain IPs to any (non-multicast) IP outside"
        " their subnet",
    }
    base: Json = {
        **MASQUERADE,
        "name": "postrouting",
        "type": "nat",
        "hook": "postrouting",
        "prio": 100,
        "policy": "accept",
    }
    multicast = (("ip", "224.0.0.0", 4), ("ip6", "ff00::", 8))
    rules: list[Json] = [
        _rule(
            MASQUERADE,
            "postrouting",
            [_match(protocol, "daddr", _prefix(address, length), "=="), {"return": None}],
        )
        for protocol, address, length in multicast
    ]
    rules.append(_rule(MASQUERADE, "postrouting", [{"goto": {"target": "masq_checks"}}]))
    return [
        {"add": {"table": table}},
        {"add": {"chain": checks}},
        {"add": {"chain": base}},
        {"flush": {"chain": {**MASQUERADE, "name": "postrouting"}}},
        *rules,
    ]


def _masquerade_rule(address: str, comment: str) -> Json:
    value = ipaddress.ip_interface(address)
    protocol = "ip" if value.version == 4 else "ip6"
    network = _prefix(str(value.network.network_address), value.network.prefixlen)
    expressions: list[Json] = [
        _match(protocol, "saddr", str(value.ip), "=="),
        _match(protocol, "daddr", network, "!="),
        {"masquerade": None},
    ]
    return _rule(MASQUERADE, "masq_checks", expressions, comment)


def _match(protocol: str, field: str, right: object, op: str) -> Json:
    left = {"payload": {"protocol": protocol, "field": field}}
    return {"match": {"op": op, "left": left, "right": right}}


def _prefix(address: str, length: int) -> Json:
    return {"prefix": {"addr": address, "len": length}}


def _rule(place: Mapping[str, str], chain: str, expr: list[Json], comment: str = "") -> Json:
    rule: Json = {**place, "chain": chain, "expr": expr}
    return {"add": {"rule": {**rule, "comment": comment} if comment else rule}}


def _deletion(place: Mapping[str, str], rule: Mapping[str, object]) -> Json:
    return {"delete": {"rule": {**place, "chain": rule["chain"], "handle": rule["handle"]}}}


def _masquerade_deletions(mark: str, spaces: Spaces) -> list[Json]:
    return [
        _deletion(MASQUERADE, rule)
        for rule in _table(MASQUERADE, spaces).rules
        if str(rule.get("comment", "")).startswith(mark)
    ]


def forget_masquerade(network: str, container_id: str, ifname: str, spaces: Spaces) -> None:
    """Remove an attachment's rules; the shared table stays."""
    mark = masquerade_mark(network, container_id, ifname)
    found = _masquerade_deletions(mark, spaces)
    if found:
        _nft(found, spaces, "failed to tear down masquerade")


def remove_masquerade(op: ops.RemoveMasquerade, spaces: Spaces) -> None:
    """Remove an attachment's rules."""
    forget_masquerade(op.network, op.container_id, op.ifname, spaces)


def add_spoof_check(op: ops.AddSpoofCheck, spaces: Spaces) -> None:
    """Drop frames that come from a port with another source address; a repeat replaces."""
    comment = f"macspoofchk-{op.container_id}-{op.ifname}"
    chain = f"cni-br-iface-{op.container_id}-{op.ifname}"
    base: Json = {
        **BRIDGE,
        "name": "PREROUTING",
        "type": "filter",
        "hook": "prerouting",
        "prio": -300,
        "policy": "accept",
    }
    entry = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": op.port}}
    commands: list[Json] = [
        *_jump_deletions(comment, _table(BRIDGE, spaces)),
        {"add": {"table": {"family": "bridge", "name": "nat"}}},
        {"add": {"chain": base}},
        {"add": {"chain": {**BRIDGE, "name": chain}}},
        {"add": {"chain": {**BRIDGE, "name": f"{chain}-mac"}}},
        {"flush": {"chain": {**BRIDGE, "name": chain}}},
        {"flush": {"chain": {**BRIDGE, "name": f"{chain}-mac"}}},
        _rule(BRIDGE, "PREROUTING", [cast("Json", entry), {"jump": {"target": chain}}], comment),
        _rule(BRIDGE, chain, [{"jump": {"target": f"{chain}-mac"}}], comment),
        _rule(
            BRIDGE,
            f"{chain}-mac",
            [_match("ether", "saddr", op.mac, "=="), {"return": None}],
            comment,
        ),
        _rule(BRIDGE, f"{chain}-mac", [{"drop": None}], comment),
    ]
    _nft(commands, spaces, "failed to setup spoof-check")


def _jump_deletions(comment: str, table: Table) -> list[Json]:
    return [
        _deletion(BRIDGE, rule)
        for rule in table.rules
        # Equal, not alike: net1 is not net10.
        if (rule.get("chain"), rule.get("comment")) == ("PREROUTING", comment)
    ]


def forget_spoof_check(container_id: str, ifname: str, spaces: Spaces) -> None:
    """Remove an attachment's rule and chains; table and base chain stay."""
    comment = f"macspoofchk-{container_id}-{ifname}"
    chain = f"cni-br-iface-{container_id}-{ifname}"
    table = _table(BRIDGE, spaces)
    chains: list[Json] = [
        {"delete": {"chain": {**BRIDGE, "name": name}}}
        for name in (chain, f"{chain}-mac")
        if name in table.chains
    ]
    found = [*_jump_deletions(comment, table), *chains]
    if found:
        _nft(found, spaces, "failed to tear down spoof-check")


def remove_spoof_check(op: ops.RemoveSpoofCheck, spaces: Spaces) -> None:
    """Remove an attachment's rule and chains."""
    forget_spoof_check(op.container_id, op.ifname, spaces)
