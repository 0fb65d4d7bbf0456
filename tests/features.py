"""What a kernel may lack, and which of the two test runs has it for certain.

`./dev kernel` runs on the machine's kernel, `./dev vm` on one whose features are known. A test that
needs a feature says so with `@pytest.mark.needs(NAME)`. It is left out where the feature is missing
only if the other run covers it; anywhere else that is a failure, so nothing ships untested.
"""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import dataclass

import pytest

_PAIR = "ip link add name p type veth peer name q"


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature: how iproute2 or nft tries it, and whether `./dev vm` has it."""

    probe: str
    in_vm: bool = True


FEATURES = {
    "ipvlan": Feature(f"{_PAIR} && ip link add link p name t type ipvlan mode l3s"),
    "8021q": Feature(f"{_PAIR} && ip link add link p name t type vlan id 5"),
    "bridge-vlan": Feature("ip link add name t type bridge vlan_filtering 1"),
    "vrf": Feature("ip link add name t type vrf table 9"),
    "dummy": Feature("ip link add name t type dummy"),
    # The kernel of ./dev vm has the bridge family of nftables, and no other.
    "nft-inet": Feature("nft add table inet t", in_vm=False),
}

IN_VM = frozenset({"kernel", "conformance", "contract"})
"""The folders that `./dev vm` looks into."""
ONE_KERNEL_DOES = frozenset({
    "test_cli_by_hand", "test_daemon_crash", "test_daemon_gone", "test_daemon_hostile",
    "test_daemon_life", "test_daemon_nested", "test_demo", "test_full_disk",
    "test_messages_sent", "test_recordings", "test_runtime_mounts", "test_tutorial",
})  # fmt: skip
"""Files about programs, files and bytes: of them `./dev vm` runs what needs a feature, no more.

Programs start many times slower there; test_daemon_serves.py has shim and daemon run all the same.
"""


def is_complete() -> bool:
    """Tell whether this is the run on the kernel that has everything marked `in_vm`."""
    return bool(os.environ.get("POLYPOD_ALL_FEATURES"))


@functools.cache
def is_here(name: str) -> bool:
    """Try a feature in a namespace of its own."""
    command = ["unshare", "-n", "sh", "-c", FEATURES[name].probe]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def needed_by(item: pytest.Item) -> list[str]:
    """Return the features a test names."""
    return [str(name) for mark in item.iter_markers("needs") for name in mark.args]


def is_for_the_other_run(item: pytest.Item) -> bool:
    """Tell whether the run on the complete kernel leaves this test to the machine's own."""
    if not is_complete():
        return False
    needed = needed_by(item)
    if not needed:
        return item.path.parent.name != "kernel" or item.path.stem in ONE_KERNEL_DOES
    return any(not FEATURES[name].in_vm for name in needed)


_LEFT_OUT = pytest.StashKey[bool]()


def is_left_out(item: pytest.Item) -> bool:
    """Tell whether a test was skipped for a feature that the other run has."""
    return item.stash.get(_LEFT_OUT, False)


def check(item: pytest.Item) -> None:
    """Skip a test whose feature is missing here and certain in `./dev vm`; else fail it."""
    for name in needed_by(item):
        if is_here(name):
            continue
        if is_complete() or not FEATURES[name].in_vm or item.path.parent.name not in IN_VM:
            pytest.fail(f"this kernel must have {name}, and no other run covers this test")
        item.stash[_LEFT_OUT] = True
        pytest.skip(f"this kernel lacks {name}; ./dev vm runs this test")
