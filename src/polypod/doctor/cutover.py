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
STOPPED = "back-2-"
"""How the files of what the switch stops begin."""
UNINSTALL = "back-3-uninstall.yaml"
ENDS = "back-ends.sh"
KUBECTL = "kubectl"
_WAIT = "--timeout=5m"
_STOPPED = "{name} stopped before its end: put right what is said above, and run it again."
KUBELET = "/var/lib/kubelet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the switch."""

    title: str
    """What is done, in one line that is shown."""
    why: str
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
            title="Install the agent beside Multus",
            why="It finds the primary, and waits its turn. The runtime still reads Multus's"
            " configuration, which sorts before ours. Go on at once: a Multus that restarts now"
            " would take ours for the primary's.",
            commands=(
                f"kubectl apply -f {AGENT}",
                _ready(namespace, "polypod"),
            ),
        ),
        Step(
            title="Stop Multus",
            why="What the way back needs is in this folder. A thick one takes its configuration"
            " away as it ends, and from then on pods are attached by Polypod.",
            commands=tuple(_stopping((*_own(facts), *_beside(facts)))),
        ),
        Step(
            title="Put aside what Multus left in the configuration folder of every node",
            why="Pods that run keep their networks, and are taken down from Multus's own records"
            " later.",
            commands=tuple(_once(namespace, ASIDE, "polypod-set-aside")),
        ),
        Step(
            title="See that no node speaks of a problem",
            why="The agents' last lines and the cluster's warnings. Pods that are made from now on"
            " are attached by Polypod: see that one of yours has its networks.",
            commands=(
                f"kubectl -n {namespace} logs -l app.kubernetes.io/name=polypod --prefix --tail=20",
                "kubectl get events -A --field-selector type=Warning",
            ),
        ),
    )


def way_back(facts: Facts, namespace: str) -> tuple[Step, ...]:
    """Return the way back with pods that run, in order."""
    return (
        Step(
            title="Delete the agent, which takes its files along",
            why="It goes first, since Multus would take our configuration for the primary's. Pods"
            " that start now get no more networks.",
            commands=(_gone(namespace, "daemonset/polypod"),),
        ),
        Step(
            title="Put the configuration of Multus back on every node, and start Multus",
            why="It ends pods that Polypod attached by what their annotations say. When the last"
            f" of them has ended, {ENDS} frees what Multus could not know of.",
            commands=(
                *_once(namespace, BACK, "polypod-put-back"),
                *(f"kubectl apply -f {shlex.quote(name)}" for name in stopped(facts)),
            ),
        ),
    )


def way_back_ends(namespace: str) -> tuple[Step, ...]:
    """Return the end of the way back, for the time when pods of ours are gone."""
    return (
        Step(
            title="Free what Multus could not know of, and delete the namespace of Polypod",
            why="Addresses and rules of networks whose definition or plugin is no more. It waits"
            " while pods that Polypod attached still run; what it waits for is said by"
            f" `kubectl -n {namespace} logs -l app.kubernetes.io/name=polypod-uninstall -c work`.",
            commands=(
                f"kubectl apply -f {UNINSTALL}",
                _ready(namespace, "polypod-uninstall"),
                f"kubectl delete namespace {namespace} --ignore-not-found {_WAIT}",
            ),
        ),
    )


def lines(found: Sequence[Step], *, name: str, title: str, kubectl: str = KUBECTL) -> Iterator[str]:
    """Yield steps as text that a shell can run; `kubectl` is how the cluster is reached."""
    yield "#!/bin/sh"
    yield f"# {title}. Run it, or its commands one by one in this folder. It may be run again"
    yield "# whenever it stopped: what is done already stays as it is."
    yield 'set -eu; cd "$(dirname "$0")"'
    yield "trap '[ $? = 0 ] || echo \"" + _STOPPED.format(name=name) + "\" >&2' EXIT"
    for number, step in enumerate(found, start=1):
        yield ""
        yield f"echo {shlex.quote(f'{number}. {step.title}')}"
        yield from textwrap.wrap(step.why, 96, initial_indent="# ", subsequent_indent="# ")
        for command in step.commands:
            yield kubectl + command.removeprefix(KUBECTL)


def _ready(namespace: str, name: str) -> str:
    return f"kubectl -n {namespace} rollout status daemonset/{name} {_WAIT}"


def _gone(namespace: str, name: str) -> str:
    """Return what deletes a workload and waits for the end of its pods."""
    return f"kubectl -n {namespace} delete {name} --cascade=foreground --ignore-not-found {_WAIT}"


def _once(namespace: str, file: str, name: str) -> Iterator[str]:
    yield f"kubectl apply -f {file}"
    yield _ready(namespace, name)
    yield f"kubectl -n {namespace} delete daemonset {name}"


def _stopping(workloads: Sequence[Workload]) -> Iterator[str]:
    for one in workloads:
        yield _gone(one.namespace, shlex.quote(f"{one.kind.lower()}/{one.name}"))


def stopped(facts: Facts) -> dict[str, Workload]:
    """Return the workloads that the switch deletes, by the file that keeps each."""
    found = (*_own(facts), *_beside(facts))
    return {f"{STOPPED}{one.namespace}-{one.name}.yaml": one for one in found}


def _own(facts: Facts) -> tuple[Workload, ...]:
    return tuple(one for one in facts.workloads if multus.is_multus(one))


def _beside(facts: Facts) -> tuple[Workload, ...]:
    return tuple(one for one in facts.workloads if "dynamic-networks" in one.name)


def _first(folders: Sequence[str], ending: str) -> str:
    return next((path for path in folders if path.rstrip("/").endswith(f"/{ending}")), "")
