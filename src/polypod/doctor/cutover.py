"""The switch itself, as steps: what is applied, what is taken away, in which order; and back.

Only words and values; whoever writes the files and runs the commands is told where they are.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from polypod.doctor import multus
from polypod.doctor.facts import Facts, Workload
from polypod.nad.node_settings import KEYS, NodeSettings

AGENT, ASIDE, BACK = "1-polypod.yaml", "3-set-aside.yaml", "back-2-put-back.yaml"
UNINSTALL = "back-3-uninstall.yaml"
KUBELET = "/var/lib/kubelet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the switch."""

    title: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the new installation keeps of the old one."""

    settings: NodeSettings
    """As Multus had them."""
    plugin_folder: str = ""
    """Where the node's runtime looks for plugins, as Multus's volumes say; empty for unknown."""
    configuration_folder: str = ""
    kubelet_folder: str = ""


def kept(facts: Facts) -> Kept:
    """Return what is kept; the primary is found anew, so its path is dropped."""
    settings = multus.told(facts).settings
    if "/" in settings.cluster_network:
        settings = msgspec.structs.replace(settings, cluster_network="")
    folders = [path for one in _own(facts) for path in one.host_paths.values()]
    return Kept(
        settings=settings,
        plugin_folder=_first(folders, "bin"),
        configuration_folder=_first(folders, "net.d"),
        kubelet_folder=next((p for one in _own(facts) if (p := one.host_paths.get(KUBELET))), ""),
    )


def _names_files(facts: Facts) -> bool:
    """Tell whether networks are named that lie in files of the node."""
    settings = multus.told(facts).settings
    named = (settings.cluster_network, *settings.default_networks)
    return any(not one.config for one in facts.definitions) or any(
        name and "/" not in name for name in named
    )


def settings_text(facts: Facts) -> dict[str, object]:
    """Return the keys that differ from our defaults, for the daemon's configuration file."""
    settings, usual = kept(facts).settings, NodeSettings()
    found: dict[str, object] = {}
    for key, info in KEYS.items():
        value: object = getattr(settings, info.name)
        if value != getattr(usual, info.name):
            is_many = isinstance(value, tuple)
            found[key] = list(cast("tuple[object, ...]", value)) if is_many else value
    if _names_files(facts):
        found["confDir"] = settings.conf_dir  # said, so that its folder is mounted
    return found


def steps(facts: Facts, namespace: str) -> tuple[Step, ...]:
    """Return the switch, in order."""
    return (
        Step(
            title="Install the agent beside Multus: it finds the primary, and waits its turn."
            " The runtime still reads Multus's configuration, which sorts before ours."
            " Go on at once: a Multus that restarts now would take ours for the primary's.",
            commands=(
                f"kubectl apply -f {AGENT}",
                f"kubectl -n {namespace} rollout status daemonset/polypod",
            ),
        ),
        Step(
            title="Stop Multus; what the way back needs is in this folder. A thick one takes its"
            " configuration away as it ends, and from then on pods are attached by Polypod.",
            commands=tuple(_stopping((*_own(facts), *_beside(facts)))),
        ),
        Step(
            title="On every node, put aside what Multus left in the configuration folder. Pods that"
            " run keep their networks, and are taken down from Multus's own records later.",
            commands=(
                f"kubectl apply -f {ASIDE}",
                f"kubectl -n {namespace} rollout status daemonset/polypod-set-aside",
                f"kubectl -n {namespace} delete daemonset polypod-set-aside",
            ),
        ),
        Step(
            title="See that new pods have their networks, and that no node speaks of a problem.",
            commands=(
                f"kubectl -n {namespace} logs daemonset/polypod --tail=20",
                "kubectl get events -A --field-selector type=Warning",
            ),
        ),
    )


def way_back(facts: Facts, namespace: str) -> tuple[Step, ...]:
    """Return the way back with pods that run, in order."""
    return (
        Step(
            title="Delete the agent: it takes its files along. It goes first, since Multus would"
            " take our configuration for the primary's. Pods that start now get no more networks.",
            commands=(f"kubectl -n {namespace} delete daemonset polypod --wait=true",),
        ),
        Step(
            title="Put Multus's configuration back on every node, and start Multus. It ends pods"
            " that Polypod attached by what their annotations say.",
            commands=(
                f"kubectl apply -f {BACK}",
                f"kubectl -n {namespace} rollout status daemonset/polypod-put-back",
                f"kubectl -n {namespace} delete daemonset polypod-put-back",
                *(f"kubectl apply -f {shlex.quote(name)}" for name in stopped(facts)),
            ),
        ),
    )


def way_back_ends(namespace: str) -> tuple[Step, ...]:
    """Return the end of the way back, for the time when pods of ours are gone."""
    return (
        Step(
            title="When pods that Polypod attached are gone, free what Multus could not know of:"
            " addresses and rules of networks whose definition or plugin is no more.",
            commands=(
                f"kubectl apply -f {UNINSTALL}",
                f"kubectl -n {namespace} rollout status daemonset/polypod-uninstall",
                f"kubectl delete namespace {namespace}",
            ),
        ),
    )


def lines(found: Sequence[Step], *, title: str) -> Iterator[str]:
    """Yield steps as text that a shell can run: titles are comments."""
    yield f"# {title}"
    for number, step in enumerate(found, start=1):
        yield ""
        yield from textwrap.wrap(
            f"{number}. {step.title}", 96, initial_indent="# ", subsequent_indent="#    "
        )
        yield from step.commands


def _stopping(workloads: Sequence[Workload]) -> Iterator[str]:
    for one in workloads:
        name = shlex.quote(f"{one.kind.lower()}/{one.name}")
        yield f"kubectl -n {one.namespace} delete {name} --wait=true"


def stopped(facts: Facts) -> dict[str, Workload]:
    """Return the workloads that the switch deletes, by the file that keeps each."""
    found = (*_own(facts), *_beside(facts))
    return {f"back-2-{one.namespace}-{one.name}.yaml": one for one in found}


def _own(facts: Facts) -> tuple[Workload, ...]:
    return tuple(one for one in facts.workloads if multus.is_multus(one))


def _beside(facts: Facts) -> tuple[Workload, ...]:
    return tuple(one for one in facts.workloads if "dynamic-networks" in one.name)


def _first(folders: Sequence[str], ending: str) -> str:
    return next((path for path in folders if path.rstrip("/").endswith(f"/{ending}")), "")
