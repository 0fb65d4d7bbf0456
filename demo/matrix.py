"""Who should reach whom, network by network, and whether it is so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from demo import echo
from demo.echo import Heard, Place, Probe
from demo.lab import ELSEWHERE
from demo.pods import Network, Pod, Wanted
from demo.spaces import Space

SETTLE_S = 0.6
PRIMARY = Network(name="pods", kind="bridge on cni0", needs=frozenset(), is_private=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A place in a network, and what decides whom it reaches."""

    place: Place
    node: str
    network: Network
    is_node: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """One network's members, and what every pair of them was measured to be."""

    title: str
    members: tuple[Member, ...]
    heard: dict[tuple[str, str], Heard | None]
    reasons: dict[tuple[str, str], str]
    """Why a pair should not reach each other; absent for those that should."""

    def is_as_expected(self, pair: tuple[str, str]) -> bool:
        """Tell whether a pair was found as it should be."""
        return (self.heard[pair] is None) == (pair in self.reasons)


def reason(source: Member, target: Member) -> str:
    """Return why one should not reach the other; empty when it should."""
    if source.network.vlan != target.network.vlan:
        return "another VLAN"
    if source.network.is_private and source.node != target.node:
        return "a bridge without a wire"
    if source.is_node != target.is_node and source.node == target.node:
        return "macvlan: not from a node to its own pods"
    return ""


def groups(
    pods: Sequence[Pod], spaces: dict[str, Space], addresses: dict[str, dict[str, str]]
) -> list[tuple[str, list[Member]]]:
    """Return the networks and their members; addresses are by pod and interface."""
    found: dict[str, list[Member]] = {}
    titles: dict[str, list[str]] = {}
    for pod in pods:
        eth0 = Wanted(network=PRIMARY, interface="eth0")
        for wanted in (eth0, *pod.networks):
            address = addresses[pod.name].get(wanted.interface)
            if address is None:
                continue
            place = Place(
                owner=pod.name,
                space=spaces[pod.name],
                interface=wanted.interface,
                address=address,
            )
            network = wanted.network
            key = "br-trunk" if network.vlan else network.name
            found.setdefault(key, []).append(Member(place=place, node=pod.node, network=network))
            title = f"{network.name} ({network.kind})"
            if title not in titles.setdefault(key, []):
                titles[key].append(title)
    return [(", ".join(titles[key]), found[key]) for key in found]


def router(alpha: Space, network: Network) -> Member:
    """Return node alpha as the router of the network on eth0."""
    place = Place(owner="(alpha)", space=alpha, interface="eth0", address="10.10.0.1")
    return Member(place=place, node="alpha", network=network, is_node=True)


def probes(members: Iterable[Member]) -> list[tuple[Probe, str]]:
    """Return a probe for every ordered pair, with the reason why it should fail, or nothing."""
    found: list[tuple[Probe, str]] = []
    everybody = list(members)
    for source in everybody:
        for target in everybody:
            if source is not target:
                why = reason(source, target)
                probe = Probe(source=source.place, target=target.place, is_wanted=not why)
                found.append((probe, why))
    return found


def measure(networks: Sequence[tuple[str, list[Member]]]) -> list[Matrix]:
    """Send the packets of every network at once and return what came of them."""
    asked = [(title, members, probes(members)) for title, members in networks]
    everything = [probe for _, _, pairs in asked for probe, _ in pairs]
    heard = echo.measure(everything, settle_s=SETTLE_S)
    return [
        Matrix(
            title=title,
            members=tuple(members),
            heard={(p.source.owner, p.target.owner): heard[p] for p, _ in pairs},
            reasons={(p.source.owner, p.target.owner): why for p, why in pairs if why},
        )
        for title, members, pairs in asked
    ]


def seen_from_elsewhere(alpha: Space, places: Sequence[Place]) -> dict[str, str]:
    """Return under which address each pod is seen outside, its routes deciding the way."""
    world = Place(owner="elsewhere", space=alpha, interface="lo", address=ELSEWHERE)
    asked = [Probe(source=place, target=world, bind=False) for place in places]
    with echo.serving([world]):
        heard = echo.measure(asked, settle_s=0)
    return {
        probe.source.owner: answer.seen_as for probe, answer in heard.items() if answer is not None
    }
