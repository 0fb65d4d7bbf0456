"""Which namespace is it: numbers that are not reused, ways in and back, and nothing left open."""

from __future__ import annotations

import dataclasses
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from tests.kernel.world import World, new_namespace, run

from polypod.engine import undo
from polypod.engine.doors import Caller
from polypod.errors import InvalidNetnsError, PolypodError
from polypod.kernel import home, netns
from polypod.kernel.door import KernelDoor
from polypod.kernel.netlink import Rtnetlink
from polypod.plan import ops
from polypod.plan.facts import AddressesQuery, LinkQuery, SysctlQuery, Where
from polypod.plan.ops import Identity, RouteSpec, SysctlSpec
from polypod.plan.record import PluginStep, Record
from polypod.testing.node import Node

SANDBOX = Where.SANDBOX
PATH = Path("/run/netns/ppt-reused")
VETH = ops.AddVeth(ifname="net1", host_name="veth1")
LATER_VETH = ops.AddVeth(ifname="net1", host_name="veth2")
CYCLES = 1000

LOSES_ITS_NAMESPACE = """
import os
from polypod.kernel import netns
from tests.kernel.world import new_namespace

other = new_namespace()
with netns.inside(other, home=os.open("/dev/null", os.O_RDONLY)):
    print("inside", flush=True)
print("served on", flush=True)
"""


@pytest.fixture
def reused() -> Iterator[str]:
    """Return a path for namespaces, one after another."""
    run("ip", "netns", "add", PATH.name)
    yield str(PATH)
    run("ip", "netns", "del", PATH.name)


def record(netns_path: str, cookie: int, identity: Identity | None) -> Record:
    step = PluginStep(type="bridge", ops=(VETH,), identities=(identity,))
    return Record(
        container_id="c1",
        network="blue",
        ifname="net1",
        netns=netns_path,
        boot_id="boot-1",
        cookie=cookie,
        steps=(step,),
    )


def has_link(world: World, path: str) -> bool:
    with KernelDoor().enter(sandbox=path, host=world.fds[Where.HOST]) as namespaces:
        query = LinkQuery(SANDBOX, "net1")
        return namespaces.look((query,)).link(SANDBOX, "net1") is not None


def attach(world: World, path: str, op: ops.AddVeth = VETH) -> tuple[int, Identity | None]:
    with KernelDoor().enter(sandbox=path, host=world.fds[Where.HOST]) as namespaces:
        return namespaces.cookie, namespaces.apply(op)


def test_undo_touches_nothing_in_a_later_namespace_of_the_same_path(
    world: World, reused: str
) -> None:
    doors = dataclasses.replace(Node().doors(), kernel=KernelDoor())
    cookie, identity = attach(world, reused)
    run("ip", "netns", "del", PATH.name)
    run("ip", "netns", "add", PATH.name)
    later, same = attach(world, reused, LATER_VETH)
    assert same == identity and later != cookie

    faults = undo.records(
        [record(reused, cookie, identity)], Caller(host=world.fds[Where.HOST]), doors
    )

    assert faults == []
    assert has_link(world, reused)


def test_undo_takes_the_link_of_the_namespace_that_was_recorded(world: World, reused: str) -> None:
    doors = dataclasses.replace(Node().doors(), kernel=KernelDoor())
    cookie, identity = attach(world, reused)

    undo.records([record(reused, cookie, identity)], Caller(host=world.fds[Where.HOST]), doors)

    assert not has_link(world, reused)


def test_a_cookie_is_the_same_for_every_visit_and_never_comes_again() -> None:
    def visit(fd: int) -> int:
        with KernelDoor().enter(sandbox=fd, host=None) as namespaces:
            return namespaces.cookie

    seen: list[int] = []
    for _ in range(20):
        fd = new_namespace()
        first, second = visit(fd), visit(fd)
        os.close(fd)
        assert first == second
        seen.append(first)

    assert len(set(seen)) == 20 and 0 not in seen


def test_sandbox_and_host_that_are_one_are_told(world: World) -> None:
    fd, host = world.fds[SANDBOX], world.fds[Where.HOST]
    for sandbox, other, same in ((fd, fd, True), (fd, host, False), (fd, None, False)):
        with KernelDoor().enter(sandbox=sandbox, host=other) as namespaces:
            assert namespaces.is_same is same


def test_a_thread_that_cannot_return_ends_its_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSES_ITS_NAMESPACE],
        env={**os.environ, "PYTHONPATH": ":".join(path or "." for path in sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (70, "inside\n")
    assert "netns.lost" in done.stderr


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/ns/mnt", "/run"])
def test_what_is_no_network_namespace_is_refused(path: str) -> None:
    with (
        pytest.raises(InvalidNetnsError) as refused,
        KernelDoor().enter(sandbox=path, host=None) as namespaces,
    ):
        namespaces.look((LinkQuery(SANDBOX, "lo"),))

    assert refused.value.code in {8, 999}


def test_a_descriptor_of_something_else_is_refused() -> None:
    with (
        Path("/dev/null").open("rb") as file,
        pytest.raises(InvalidNetnsError),
        KernelDoor().enter(sandbox=file.fileno(), host=None) as namespaces,
    ):
        namespaces.look((LinkQuery(SANDBOX, "lo"),))


def told(capsys: pytest.CaptureFixture[str], figure: str) -> None:
    """Print a figure for whoever reads the run: it depends on the machine, so nothing fails."""
    with capsys.disabled():
        sys.stdout.write(f"\n{figure}\n")


def test_a_thousand_visits_leave_no_descriptor_open(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    began = time.monotonic()

    for _ in range(CYCLES):
        with world.enter() as namespaces:
            namespaces.look((LinkQuery(SANDBOX, "lo"), SysctlQuery(SANDBOX, "net/ipv4/ip_forward")))
    took_s = time.monotonic() - began

    assert len(os.listdir("/proc/self/fd")) == before
    told(capsys, f"{took_s / CYCLES * 1e6:.0f} µs for a visit: a socket, a link, a sysctl")


def test_visits_that_fail_leave_no_descriptor_open(world: World) -> None:
    before = len(os.listdir("/proc/self/fd"))

    for path in ("/run/netns/none", "/dev/null", "/proc/self/ns/mnt", "/run", "\0"):
        with (
            pytest.raises(PolypodError),
            KernelDoor().enter(sandbox=path, host=world.fds[Where.HOST]) as namespaces,
        ):
            namespaces.apply(VETH)

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_thousand_ways_in_lead_back(capsys: pytest.CaptureFixture[str]) -> None:
    fd, own = new_namespace(), netns.open_own()
    began = time.monotonic()

    for _ in range(CYCLES):
        with netns.inside(fd, own):
            pass
    took_s = time.monotonic() - began

    here = netns.open_own()
    assert netns.is_same(own, here) and not netns.is_same(own, fd)
    for opened in (fd, own, here):
        os.close(opened)
    told(capsys, f"{took_s / CYCLES * 1e6:.1f} µs for there and back")


@pytest.fixture
def foreign_user() -> Iterator[int]:
    """Return the network namespace of a process that has a user namespace of its own."""
    command = ["unshare", "-Urn", "sh", "-c", "ip link set lo up && echo ready && exec cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        fd = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        yield fd
        os.close(fd)
        process.stdin.close()


def test_a_pod_with_a_user_namespace_of_its_own_is_served(world: World, foreign_user: int) -> None:
    configure = ops.Configure(
        ifname="net1",
        addresses=("10.1.2.3/24", "fd00:1::3/64"),
        routes=(RouteSpec(dst="10.9.0.0/16", gw="10.1.2.1"),),
        sysctls=(SysctlSpec(key="net/ipv4/conf/net1/arp_notify", value="1", required=True),),
    )
    forwarding = "net/ipv4/conf/net1/forwarding"
    sysctl = ops.WriteSysctl(where=SANDBOX, key=forwarding, value="1", previous="0")
    setting = ops.SetLink(where=SANDBOX, name="net1", mtu=1400)
    with KernelDoor().enter(sandbox=foreign_user, host=world.fds[Where.HOST]) as namespaces:
        identity = namespaces.apply(VETH)
        for op in (configure, sysctl, setting):
            namespaces.apply(op)
        facts = namespaces.look(
            (
                LinkQuery(SANDBOX, "net1"),
                AddressesQuery(SANDBOX, "net1"),
                SysctlQuery(SANDBOX, forwarding),
            )
        )
        namespaces.undo(VETH, identity)
        gone = namespaces.look((LinkQuery(SANDBOX, "net1"),))

    link = facts.link(SANDBOX, "net1")
    assert link is not None and link.up and link.mtu == 1400
    addresses = {address.address for address in facts.addresses(SANDBOX, "net1")}
    assert addresses >= {"10.1.2.3/24", "fd00:1::3/64"}
    assert facts.sysctl(SANDBOX, forwarding) == "1"
    assert gone.link(SANDBOX, "net1") is None


def test_a_home_that_is_garbage_closes_what_it_has_before_that_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Garbage that refers to itself goes oldest first: a socket that is older than its home."""
    made = [Rtnetlink()]
    number = made[0].fileno()
    monkeypatch.setattr(home, "Rtnetlink", made.pop)
    ring: list[object] = [home.Home()]
    ring.append(ring)
    cast("home.Home", ring[0]).socket()

    del ring
    gc.collect()  # what is not closed by then is said, and a failure

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
