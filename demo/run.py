"""The demo, step by step: build a lab, attach every pod of examples/, measure, take all of it back.

Exit status 0 when everything was as expected, 1 when something was not, 2 when the lab could not
be made at all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from demo import echo, features, lab, matrix, pods, spaces, traces
from demo.node import DemoError, Node
from demo.pods import Pod
from demo.show import Screen
from demo.spaces import Space
from polypod.errors import PolypodError
from polypod.kernel import sysctl

FOLDER = Path("/run/polypod-demo")


@dataclass(slots=True)
class Lab:
    """Everything that was made and has to go again."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    pods: dict[str, Space] = field(default_factory=dict[str, Space])
    attached: list[Pod] = field(default_factory=list[Pod])
    inodes: list[int] = field(default_factory=list[int])

    def make_space(self, name: str) -> Space:
        """Make a namespace and remember its number."""
        space = spaces.make(name)
        self.inodes.append(space.inode)
        return space

    def remove(self) -> list[int]:
        """Stop the daemons and take the namespaces away; return the daemons' exit statuses."""
        statuses = [node.stop() for node in self.nodes.values()]
        for space in (*self.pods.values(), *(node.space for node in self.nodes.values())):
            spaces.remove(space)
        self.nodes.clear()
        self.pods.clear()
        shutil.rmtree(FOLDER, ignore_errors=True)
        return statuses


def main(words: Sequence[str]) -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--shell", action="store_true", help="open a shell before the teardown")
    options = parser.parse_args(words)
    if not spaces.is_private():
        print("demo: a network namespace of its own is needed: call ./dev demo", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    screen, made = Screen(), Lab()
    try:
        _run(screen, made, with_shell=options.shell)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not stop the cleaning
        screen.say("interrupted: taking the lab down")
        made.remove()
        return 130
    except (DemoError, PolypodError, OSError) as error:
        screen.check("the demo runs to its end", ok=False, why=str(error))
        made.remove()
        return 1
    return 1 if screen.failed else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _run(screen: Screen, made: Lab, *, with_shell: bool) -> None:
    started = time.monotonic()
    outside_before = traces.of_lab(None, ())
    chosen = _build(screen, made)
    before = {name: traces.of_node(node) for name, node in made.nodes.items()}
    _attach(screen, made, chosen)
    _show_attachments(screen, made)
    _measure(screen, made)
    if with_shell:
        _shell(made)
    _detach(screen, made)
    _compare_nodes(screen, made, before)
    _tear_down(screen, made, outside_before)
    pods_, links = len(chosen), sum(len(pod.networks) + 1 for pod in chosen)
    good = screen.checked - screen.failed
    screen.title(
        f"{pods_} pods with {links} interfaces came and went; {good} of {screen.checked} checks are"
        f" as expected ({time.monotonic() - started:.1f} s)"
    )


def _build(screen: Screen, made: Lab) -> list[Pod]:
    """Make the nodes, their wires and daemons; return the pods this kernel can serve."""
    screen.title("A lab: two nodes, joined by wires")
    lacking = features.lacking()
    if "bridge" in lacking:
        raise DemoError(f"this kernel has no bridge ({lacking['bridge']}), which every pod needs")
    everything = pods.load()
    for feature, answer in lacking.items():
        without = [pod.name for pod in everything if feature in pod.needs]
        screen.say(f"this kernel has no {feature} ({answer}); left out: {', '.join(without)}")
    if lacking:
        screen.say("(./dev demo --vm runs all of them on another kernel, on Debian)")
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in ("alpha", "beta"):
        folder = FOLDER / name
        folder.mkdir(parents=True)
        made.nodes[name] = Node(made.make_space(name), folder)
    alpha, beta = (made.nodes[name] for name in ("alpha", "beta"))
    lab.join(alpha.space, beta.space, trunk="bridge VLAN filtering" not in lacking)
    for name, use in lab.WIRES.items():
        screen.say(f"alpha {name} === {name} beta   {use}")
    for node in made.nodes.values():
        shim = node.install()
        size = shim.stat().st_size // 1024
        took = node.start()
        screen.say(
            f"{node.name}: shim of {size} KiB in {shim}, daemon ready in {took * 1000:.0f} ms"
        )
    return [pod for pod in everything if not pod.needs & lacking.keys()]


def _attach(screen: Screen, made: Lab, chosen: Sequence[Pod]) -> None:
    screen.title("ADD, as a container runtime does it: the shim is executed for each pod")
    for pod in chosen:
        made.pods[pod.name] = made.make_space(pod.name)
        took, _ = made.nodes[pod.node].call("ADD", pod.name)
        made.attached.append(pod)
        names = ", ".join(wanted.network.name for wanted in pod.networks)
        screen.say(f"{pod.node:6}{pod.name:10}{took * 1000:6.1f} ms   pods, {names}")


def _show_attachments(screen: Screen, made: Lab) -> None:
    screen.title(
        "What the pods have (polypod ps; ms since the ADD began: a pod's links are made together)"
    )
    for node in made.nodes.values():
        rows = [row for row in node.attachments() if row["pod"] in made.pods]
        order = [pod.name for pod in made.attached]
        rows.sort(key=lambda row: order.index(row["pod"]))
        for row in rows:
            row["mac"] = next(
                (x.mac for x in made.pods[row["pod"]].links() if x.name == row["interface"]), ""
            )
        screen.attachments(node.name, rows)
    for pod in made.attached:
        _check_pod(screen, pod, made.pods[pod.name])


def _check_pod(screen: Screen, pod: Pod, space: Space) -> None:
    """Compare a pod's namespace with what its annotation asks for."""
    links = {link.name: link for link in space.links()}
    names = {"eth0", *(wanted.interface for wanted in pod.networks)}
    screen.count(ok=names <= links.keys())
    for name in names - links.keys():
        screen.check(f"{pod.name} has {name}", ok=False)
    addresses = space.addresses()
    for wanted in pod.networks:
        has = addresses.get(wanted.interface, [])
        if wanted.ip:
            found = any(address.partition("/")[0] == wanted.ip for address in has)
            text = f"{pod.name}: {wanted.interface} has the address it asks for, {wanted.ip}"
            screen.check(text, ok=found, why=f"it has {has}")
        if wanted.mac:
            mac = links[wanted.interface].mac
            text = f"{pod.name}: {wanted.interface} has the MAC it asks for, {wanted.mac}"
            screen.check(text, ok=mac == wanted.mac, why=f"it has {mac}")
        if "tuning" in wanted.network.kind:
            length = links[wanted.interface].tx_queue_len
            with space.inside():
                notify = sysctl.read(f"net/ipv4/conf/{wanted.interface}/arp_notify")
            text = f"{pod.name}: tuning set arp_notify and a queue of 500 on {wanted.interface}"
            screen.check(text, ok=(length, notify) == (500, "1"), why=f"{length}, {notify}")


def _addresses(made: Lab) -> dict[str, dict[str, str]]:
    """Return the first IPv4 address of each interface, by pod."""
    return {
        name: {
            interface: address.partition("/")[0]
            for interface, all_ in space.addresses().items()
            for address in reversed(all_)
            if "." in address
        }
        for name, space in made.pods.items()
    }


def _measure(screen: Screen, made: Lab) -> None:
    screen.title("Who reaches whom: UDP packets, there and back, in ms")
    addresses = _addresses(made)
    networks = matrix.groups(made.attached, made.pods, addresses)
    alpha = made.nodes["alpha"].space
    for _, members in networks:
        if members[0].network.name == "lan":
            members.append(matrix.router(alpha, members[0].network))
    with echo.serving(member.place for _, members in networks for member in members):
        for found in matrix.measure(networks):
            if len(found.members) > 6:
                screen.summary(found)
            else:
                screen.matrix(found)
    _check_default_routes(screen, made, addresses)


def _check_default_routes(screen: Screen, made: Lab, addresses: dict[str, dict[str, str]]) -> None:
    eth0 = {
        pod.name: echo.Place(
            owner=pod.name,
            space=made.pods[pod.name],
            interface="eth0",
            address=addresses[pod.name]["eth0"],
        )
        for pod in made.attached
    }
    seen = matrix.seen_from_elsewhere(made.nodes["alpha"].space, list(eth0.values()))
    by_eth0 = 0
    for pod in made.attached:
        interface = next((w.interface for w in pod.networks if w.takes_default_route), "eth0")
        ok = seen.get(pod.name) == addresses[pod.name][interface]
        if interface == "eth0" and ok:
            by_eth0 += 1
            screen.count(ok=True)
            continue
        text = (
            f"{pod.name}: its default route is by {interface}: elsewhere sees {seen.get(pod.name)}"
        )
        screen.check(text, ok=ok, why=f"{interface} has {addresses[pod.name][interface]}")
    screen.say(f"      the other {by_eth0} pods are seen elsewhere by their eth0")


def _shell(made: Lab) -> None:
    """Let the reader look around; the lab stays as it is until the shell ends."""
    alpha = made.nodes["alpha"]
    print("\n  A shell in the lab. polypod speaks to alpha; each pod is a file in /run/netns:")
    print("    polypod ps    nsenter --net=/run/netns/hub ip address    exit")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "POLYPOD_STATE": str(alpha.folder / "state"),
        "POLYPOD_SOCKET": str(alpha.folder / "polypod.sock"),
        "POLYPOD_MANIFESTS": str(pods.EXAMPLES),
    }
    with alpha.space.inside():
        subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=environment, check=False)


def _detach(screen: Screen, made: Lab) -> None:
    screen.title("DEL, and what is left")
    times: list[float] = []
    for pod in reversed(made.attached):
        took, _ = made.nodes[pod.node].call("DEL", pod.name)
        times.append(took * 1000)
        left = traces.of_pod(made.pods[pod.name])
        screen.count(ok=not left)
        if left:
            screen.check(f"{pod.name} is empty", ok=False, why=", ".join(left))
    screen.check(
        f"DEL of {len(times)} pods, {min(times):.1f} to {max(times):.1f} ms each;"
        " no pod has an interface left",
        ok=True,
    )


def _compare_nodes(screen: Screen, made: Lab, before: dict[str, dict[str, list[str]]]) -> None:
    for name, node in made.nodes.items():
        links = node.space.links()
        bridges = [link.name for link in links if link.kind == "bridge"]
        new = [bridge for bridge in bridges if f"{bridge} (bridge)" not in before[name]["links"]]
        kept = tuple(f"{bridge} (bridge)" for bridge in new)
        changed = [
            item
            for item in traces.difference(before[name], traces.of_node(node))
            if not any(f": {word} is left" in item for word in kept)
            and not any(item.endswith(f" on {bridge} is left") for bridge in new)
        ]
        text = f"{name}: links, addresses, leases and journal are as before"
        if new:
            text += f" (kept, as shared by pods to come: {', '.join(new)})"
        screen.check(text, ok=not changed, why="; ".join(changed))


def _tear_down(screen: Screen, made: Lab, before: dict[str, list[str]]) -> None:
    inodes = list(made.inodes)
    names = [*made.nodes]
    statuses = made.remove()
    text = f"the daemons of {' and '.join(names)} ended by themselves, with status 0"
    screen.check(text, ok=not any(statuses), why=f"{statuses}")
    changed = traces.difference(before, traces.of_lab(None, inodes))
    screen.check(
        f"of {len(inodes)} namespaces no name, mount or process is left, and no file",
        ok=not changed and not FOLDER.exists(),
        why="; ".join(changed) or f"{FOLDER} is left",
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
