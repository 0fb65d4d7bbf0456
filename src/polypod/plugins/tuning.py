"""The tuning plugin: sysctls and attributes of a link that an earlier plugin made.

The allowlist file is read by whoever builds the plugin; keys are read in tuning_settings.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.quote import quoted
from polypod.cni.result import Result
from polypod.errors import PluginError
from polypod.plan.facts import Facts, Link, LinkQuery, Query, SysctlQuery, Where
from polypod.plan.ops import KeepBackup, Op, RestoreBackup, SetLink, WriteSysctl
from polypod.plugins import expected
from polypod.plugins._shape import Call
from polypod.plugins.tuning_settings import Settings, backup_directory, read, sysctl_key


def _backup_name(call: Call) -> str:
    return f"{call.container_id}_{call.ifname}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The plugin of type `tuning`."""

    versions: tuple[str, ...] = ALL_VERSIONS

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Validate the configuration; want the link and the sysctls as they are."""
        settings = read(call)
        _check_allowed(call, settings)
        if "/" in call.ifname:
            raise PluginError(f"Interface name ({call.ifname}) contains an invalid character /")
        expected.previous(call, "Required prevResult missing")
        return _queries(call, settings)

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Write sysctls, keep the link's attributes, then change them."""
        del lease
        settings = read(call)
        ops: list[Op] = []
        for name, value in settings.sysctls.items():
            key = sysctl_key(name, call.ifname)
            before = facts.sysctl(Where.SANDBOX, key)
            ops.append(WriteSysctl(where=Where.SANDBOX, key=key, value=value, previous=before))
        if settings.changes_link():
            ops += _link_ops(call, settings, facts.link(Where.SANDBOX, call.ifname))
        return tuple(ops)

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Want the link, for its MAC."""
        del ops
        return (LinkQuery(Where.SANDBOX, call.ifname),)

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Pass prevResult on, with the new MAC where the link is named."""
        del ops, lease
        before = expected.previous(call, "Required prevResult missing")
        mac = read(call).mac
        if not mac:
            return before
        link = facts.link(Where.SANDBOX, call.ifname)
        mac = mac if link is None else link.mac
        return replace(
            before,
            interfaces=tuple(
                replace(one, mac=mac) if one.name == call.ifname else one
                for one in before.interfaces
            ),
        )

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Restore what the backup holds, if there is a sandbox; sysctls have none."""
        if not call.netns:
            return ()
        directory = backup_directory(call.config)
        name = _backup_name(call)
        return (RestoreBackup(directory=directory, name=name, ifname=call.ifname),)

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Want the link and the sysctls."""
        return _queries(call, read(call))

    def check(self, call: Call, facts: Facts) -> None:
        """Raise PluginError on the first difference; what is not configured is not judged."""
        expected.previous(call, "Required prevResult missing")
        settings = read(call)
        for name, value in settings.sysctls.items():
            key = sysctl_key(name, call.ifname)
            found = facts.sysctl(Where.SANDBOX, key)
            if found is None:
                raise PluginError(f"open /proc/sys/{key}: no such file or directory")
            if found.split() != value.split():
                raise PluginError(
                    f"Error: Tuning configured value of /proc/sys/{key} is {value},"
                    f" current value is {found}"
                )
        _compare(call.ifname, settings, facts.link(Where.SANDBOX, call.ifname))


def _check_allowed(call: Call, settings: Settings) -> None:
    if call.allowed_sysctls is None:
        return
    patterns = tuple(line for line in call.allowed_sysctls if line.strip())
    for name in settings.sysctls:
        if not any(_matches(pattern, name) for pattern in patterns):
            raise PluginError(
                f"Sysctl {name} is not allowed. Only the following sysctls are allowed:"
                f" [{' '.join(patterns)}]"
            )


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise PluginError(f"invalid allowlist pattern {quoted(pattern)}: {error}") from error


def _queries(call: Call, settings: Settings) -> tuple[Query, ...]:
    keys = (sysctl_key(name, call.ifname) for name in settings.sysctls)
    return (
        LinkQuery(Where.SANDBOX, call.ifname),
        *(SysctlQuery(Where.SANDBOX, key) for key in keys),
    )


def _link_ops(call: Call, settings: Settings, link: Link | None) -> tuple[Op, ...]:
    if link is None:
        raise PluginError(f"failed to get {quoted(call.ifname)}: Link not found")
    before = SetLink(
        where=Where.SANDBOX,
        name=call.ifname,
        mac=link.mac if settings.mac else None,
        promisc=link.promisc if settings.promisc else None,
        mtu=link.mtu if settings.mtu else None,
        allmulti=link.allmulti if settings.allmulti is not None else None,
        tx_queue_len=link.tx_queue_len if settings.tx_queue_len is not None else None,
    )
    change = SetLink(
        where=Where.SANDBOX,
        name=call.ifname,
        mac=settings.mac or None,
        promisc=True if settings.promisc else None,
        mtu=settings.mtu or None,
        allmulti=settings.allmulti,
        tx_queue_len=settings.tx_queue_len,
        previous=before,
    )
    keep = KeepBackup(
        directory=backup_directory(call.config),
        name=_backup_name(call),
        content=_content(before),
    )
    return (keep, change)


def _content(before: SetLink) -> str:
    """Return the backup as the reference writes it: only what is changed, one space of indent."""
    kept = {
        "mac": before.mac,
        "promisc": before.promisc,
        "mtu": before.mtu,
        "allmulti": before.allmulti,
        "txQLen": before.tx_queue_len,
    }
    set_ = {key: value for key, value in kept.items() if value is not None}
    return msgspec.json.format(msgspec.json.encode(set_), indent=1).decode()


def _compare(ifname: str, settings: Settings, link: Link | None) -> None:
    if link is None:
        raise PluginError(f"Cannot find container link {ifname}")
    _same("Ethernet", ifname, settings.mac or None, link.mac)
    if settings.promisc is not None and settings.promisc != link.promisc:
        raise PluginError(
            f"Error: Tuning link {ifname} configured promisc is {_word(settings.promisc)},"
            f" current value is {int(link.promisc)}"
        )
    pairs: tuple[tuple[str, object, object], ...] = (
        ("MTU", settings.mtu or None, link.mtu),
        ("all-multicast mode", settings.allmulti, link.allmulti),
        ("Transmit Queue Length", settings.tx_queue_len, link.tx_queue_len),
    )
    for what, wanted, found in pairs:
        _same(what, ifname, wanted, found)


def _same(what: str, ifname: str, wanted: object, found: object) -> None:
    if wanted is not None and wanted != found:
        raise PluginError(
            f"Error: Tuning configured {what} of {ifname} is {_word(wanted)},"
            f" current value is {_word(found)}"
        )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
