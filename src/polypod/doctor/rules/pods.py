"""What a switch means for pods: whether their annotations are read as before, and find as much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from polypod.doctor import multus
from polypod.doctor.facts import AskingPod, Facts
from polypod.doctor.finding import Effect, Finding
from polypod.errors import InvalidAnnotationError, PolypodError
from polypod.nad import isolation, selection
from polypod.nad.node_settings import NodeSettings
from polypod.nad.selection import MAX_BYTES, MAX_NETWORKS, Selection

NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
TOO_MANY = "At most 64 networks and 256 KiB."
IFNAME = "An interface name with `%` or a control character is refused."
TOGETHER = (
    "Names, types, versions and conflicts of all networks are checked before the first is made: two"
    " networks of one interface, a network without a name, an unknown `cniVersion`."
)
ISOLATED_DEFAULT = (
    "Isolation holds for the annotation `v1.multus-cni.io/default-network` too;"
    " `kube-system`, where such networks are kept, is open to it."
)
ROUTE_MOVES = "The route moves in the kernel, in the result and in network-status."
FAMILIES = "Per family: an IPv6 gateway leaves IPv4 alone."
NO_ROUTE = "`default-route: []` asks for nothing."
SYSTEM_NAME = "Pods called `kube-system` get one."
ROWS = (
    *(TOO_MANY, IFNAME, TOGETHER, ISOLATED_DEFAULT, ROUTE_MOVES, FAMILIES, NO_ROUTE),
    SYSTEM_NAME,
)
"""The rows of the page that these rules decide on."""
HOST_NETWORK = "it is on the host's network, so its annotation has no effect, as before"


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Say of each pod with an annotation what is the same, and what is not."""
    settings = multus.told(facts).settings
    known = frozenset((one.namespace, one.name) for one in facts.definitions)
    asking = [pod for pod in facts.pods if _asks(pod)]
    found = [finding for pod in asking for finding in _one(pod, settings, known)]
    return (*found, *_advice(asking, settings))


def _asks(pod: AskingPod) -> bool:
    return bool(pod.annotations.get(NETWORKS, "").strip()) or DEFAULT_NETWORK in pod.annotations


def _one(
    pod: AskingPod, settings: NodeSettings, known: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    subject = f"pod {pod.namespace}/{pod.name}"
    if pod.host_network:
        yield Finding(effect=Effect.SAME, subject=subject, text=HOST_NETWORK)
        return
    try:
        wanted, replacing = _wanted(pod), _replacing(pod, settings)
    except PolypodError as error:
        yield _unreadable(pod, subject, error)
        return
    found = [
        *_missing(subject, (*wanted, *replacing), known),
        *_names(subject, wanted),
        *_isolated(subject, pod, wanted, replacing, settings),
        *_routes(subject, (*wanted, *replacing)),
    ]
    if pod.name == "kube-system":
        text = "its network-status is written now"
        found.append(Finding(effect=Effect.DIFFERS, subject=subject, text=text, row=SYSTEM_NAME))
    yield from found
    if not found:
        text = f"gets the same networks ({len(wanted)} beside its first one)"
        yield Finding(effect=Effect.SAME, subject=subject, text=text)


def _wanted(pod: AskingPod) -> tuple[Selection, ...]:
    text = pod.annotations.get(NETWORKS, "")
    return selection.parse(text, pod.namespace) if text.strip() else ()


def _replacing(pod: AskingPod, settings: NodeSettings) -> tuple[Selection, ...]:
    text = pod.annotations.get(DEFAULT_NETWORK)
    return () if text is None else (selection.parse_default(text, settings.multus_namespace),)


def _unreadable(pod: AskingPod, subject: str, error: PolypodError) -> Finding:
    text = pod.annotations.get(NETWORKS, "")
    is_only_long = len(text) > MAX_BYTES or f"more than {MAX_NETWORKS} networks" in error.cause
    return Finding(
        effect=Effect.BLOCKS if is_only_long else Effect.BROKEN,
        subject=subject,
        text=f"its annotation is refused: {error.cause}",
        row=TOO_MANY if is_only_long else "",
        hint=error.hint,
    )


def _missing(
    subject: str, wanted: tuple[Selection, ...], known: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    for one in wanted:
        if (one.namespace, one.name) not in known:
            yield Finding(
                effect=Effect.BROKEN,
                subject=subject,
                text=f"asks for {one.namespace}/{one.name}, which is not there",
                hint="create the definition, or correct the annotation",
            )


def _names(subject: str, wanted: tuple[Selection, ...]) -> Iterator[Finding]:
    names = [one.interface or f"net{place}" for place, one in enumerate(wanted, start=1)]
    for name in names:
        if "%" in name or not name.isprintable():
            text = f"names the interface {name!r}"
            yield Finding(effect=Effect.BLOCKS, subject=subject, text=text, row=IFNAME)
    for name, count in Counter(names).items():
        if count > 1:
            yield Finding(
                effect=Effect.BROKEN,
                subject=subject,
                text=f"asks {count} times for the interface {name}",
                row=TOGETHER,
            )


def _isolated(
    subject: str,
    pod: AskingPod,
    wanted: tuple[Selection, ...],
    replacing: tuple[Selection, ...],
    settings: NodeSettings,
) -> Iterator[Finding]:
    if not settings.namespace_isolation:
        return
    allowed = frozenset(settings.global_namespaces)
    for one in wanted:
        if not _is_allowed(pod, one, allowed):
            text = f"asks for {one.namespace}/{one.name}, which isolation forbids"
            yield Finding(effect=Effect.BROKEN, subject=subject, text=text)
    for one in replacing:
        if not _is_allowed(pod, one, allowed | {settings.multus_namespace}):
            text = f"its first network is {one.namespace}/{one.name}, of another namespace"
            yield Finding(
                effect=Effect.BLOCKS,
                subject=subject,
                text=text,
                row=ISOLATED_DEFAULT,
                hint="list that namespace in globalNamespaces, or move the definition",
            )


def _is_allowed(pod: AskingPod, one: Selection, allowed: frozenset[str]) -> bool:
    try:
        isolation.check_isolation(pod.namespace, one, allowed)
    except InvalidAnnotationError:
        return False
    return True


def _routes(subject: str, wanted: tuple[Selection, ...]) -> Iterator[Finding]:
    for one in wanted:
        if one.default_route is None:
            continue
        if not one.default_route:
            text = "keeps its default route, where the empty list stripped it"
            yield Finding(effect=Effect.DIFFERS, subject=subject, text=text, row=NO_ROUTE)
            continue
        text = f"its default route is {', '.join(one.default_route)} for good"
        yield Finding(effect=Effect.DIFFERS, subject=subject, text=text, row=ROUTE_MOVES)
        if all(":" in gateway for gateway in one.default_route):
            text = "keeps its IPv4 default route"
            yield Finding(effect=Effect.DIFFERS, subject=subject, text=text, row=FAMILIES)


def _advice(pods: list[AskingPod], settings: NodeSettings) -> Iterator[Finding]:
    """Say what switching isolation on later would cost; it stays as it was."""
    if settings.namespace_isolation:
        return
    crossing: list[str] = []
    for pod in pods:
        try:
            wanted = _wanted(pod)
        except PolypodError:
            continue
        if not all(_is_allowed(pod, one, frozenset({"default"})) for one in wanted):
            crossing.append(f"{pod.namespace}/{pod.name}")
    cost = f"it would refuse {', '.join(crossing[:5])}" if crossing else "it would refuse no pod"
    more = f" and {len(crossing) - 5} more" if len(crossing) > 5 else ""
    yield Finding(
        effect=Effect.SAME,
        subject="setting namespaceIsolation",
        text=f"is off, as it was; switched on, {cost}{more}",
    )
