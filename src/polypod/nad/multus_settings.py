"""Reads an operator's settings: our keys, and Multus's, each with a note on what became of it.

Multus has its keys in two files, daemon-config.json and the 00-multus.conf that it generates; both
can be read here, by the daemon and by whoever reports on a switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from polypod.errors import InvalidConfigError
from polypod.nad import node_settings
from polypod.nad.node_settings import KEYS, Note, Reading, Verdict

HOST_PREFIX = "/host/"
"""Where Multus's container sees the node's folders; ours sees them where they are."""
_TYPES = frozenset({"multus", "multus-shim"})
_levels = {"verbose": "info", "panic": "error"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a key of Multus's means here."""

    verdict: Verdict
    text: str


def _nothing(*keys: str, text: str) -> dict[str, Rule]:
    return {key: Rule(Verdict.WITHOUT_EFFECT, text) for key in keys}


def _lost(*keys: str, text: str) -> dict[str, Rule]:
    return {key: Rule(Verdict.UNSUPPORTED, text) for key in keys}


RULES: Mapping[str, Rule] = {
    **_nothing("cniVersion", text="the version is the primary's own"),
    **_nothing(
        "name", "type", "capabilities", "ipam", "dns", "prevResult", "overrideNetworkName",
        text="our own configuration is made from the primary's",
    ),
    **_nothing("runtimeConfig", text="it comes with each call"),
    **_nothing("chrootDir", text="plugins of others run where the runtime would run them"),
    **_nothing("socketDir", "daemonSocketDir", text="--socket says where the socket is"),
    **_nothing("multusConfigFile", text="the node's configuration is always made from the primary"),
    **_nothing("multusAutoconfigDir", "cniConfigDir", text="--conf-dir is the node's CNI folder"),
    **_nothing("logFile", "logToStderr", "logOptions", text="the log goes to stderr"),
    **_nothing("metricsPort", text="--metrics HOST:PORT serves metrics"),
    **_nothing("connectionLimit", text="--threads bounds what runs at once, and the rest waits"),
    **_nothing("kubeconfig", text="--kubeconfig or --in-cluster say where the API server is"),
    **_nothing("retryDeleteOnError", text="a DEL that failed is always reported, and repeated"),
    **_nothing("defaultNetworkFile", "defaultNetworkWaitSeconds", text="Multus ignores it too"),
    **_lost("forceCNIVersion", text="the primary's own file is never changed"),
    **_lost("enablePprof", text="there is no profile on the metrics port"),
    **_lost("perNodeCertificate", text="the agent is the pod's service account"),
    **_lost("delegates", text="write a network to a file, and name that in clusterNetwork"),
}  # fmt: skip
"""Multus's keys that are none of ours, as they are spelled."""
_folded = {key.casefold(): key for key in (*RULES, "multusMasterCNI")}


def read(table: Mapping[str, object], where: str) -> Reading:
    """Return what a file says; `where` names it in errors.

    A configuration list that has Multus's own plugin in it is read as that plugin's object.

    Raises:
        InvalidConfigError: a value of the wrong type, with the file and the key.
    """
    found = _Reader(where)
    for key, value in _unwrapped(table).items():
        found.take(key, value)
    found.end()
    return Reading(
        settings=node_settings.build(found.given, where),
        given=frozenset(found.given),
        notes=tuple(found.notes),
    )


def is_multus(table: Mapping[str, object]) -> bool:
    """Tell whether a file has a key that only Multus knows."""
    return any(key.casefold() in _folded for key in _unwrapped(table))


def with_multus_defaults(reading: Reading) -> Reading:
    """Return the settings as Multus would have meant them: isolation is off unless it is said."""
    if "namespaceIsolation" in reading.given:
        return reading
    return Reading(
        settings=msgspec.structs.replace(reading.settings, namespace_isolation=False),
        given=reading.given | {"namespaceIsolation"},
        notes=tuple(note for note in reading.notes if note.key != "namespaceIsolation"),
    )


class _Reader:
    """Goes through a file, key by key."""

    def __init__(self, where: str) -> None:
        self.given: dict[str, object] = {}
        self.notes: list[Note] = []
        self._where = where
        self._master: tuple[str, str] = ("", "/etc/cni/net.d")
        self._is_multus = False

    def take(self, key: str, value: object) -> None:
        """Take one key, or note why it is not taken."""
        own, theirs = node_settings.spelled(key), _folded.get(key.casefold(), "")
        if own:
            if own == key or own not in self.given:  # an exact match is preferred, as Go does
                self.given[own] = self._turned(own, value)
        elif theirs:
            self._take_theirs(theirs, value)
        elif not node_settings.ignored(key):
            self._note(key[:100], Verdict.UNKNOWN, _guess(key))

    def end(self) -> None:
        """Decide what several keys say together."""
        name, folder = self._master
        if name and "clusterNetwork" not in self.given:
            self.given["clusterNetwork"] = f"{folder.rstrip('/')}/{name}"
            self._note("multusMasterCNI", Verdict.TRANSLATED, "it is clusterNetwork, with its path")
        if self._is_multus and "namespaceIsolation" not in self.given:
            text = "it is on here unless it is said, and off with Multus"
            self._note("namespaceIsolation", Verdict.TRANSLATED, text)

    def _take_theirs(self, key: str, value: object) -> None:
        self._is_multus = True
        if value is None:
            return
        if key == "multusMasterCNI":
            self._master = (self._text(key, value), self._master[1])
            return
        if key == "multusAutoconfigDir":
            self._master = (self._master[0], cast("str", _path(self._text(key, value))))
        self._note(key, RULES[key].verdict, RULES[key].text)

    def _turned(self, key: str, value: object) -> object:
        """Return a value in our form."""
        turn = _turns.get(key)
        turned = value if turn is None else turn(value)
        if turned != value:
            self._note(key, Verdict.TRANSLATED, f"read as {_shown(turned)}")
        return turned

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise InvalidConfigError(f"{self._where}: {key}: Expected `str`")
        return value

    def _note(self, key: str, verdict: Verdict, text: str) -> None:
        self.notes.append(Note(key=key, verdict=verdict, text=text))


def _unwrapped(table: Mapping[str, object]) -> Mapping[str, object]:
    plugins = table.get("plugins")
    for plugin in cast("list[object]", plugins) if isinstance(plugins, list) else []:
        if isinstance(plugin, dict):
            found = {str(key): value for key, value in cast("dict[object, object]", plugin).items()}
            type_ = found.get("type")
            if isinstance(type_, str) and type_ in _TYPES:
                return found
    return table


def _guess(key: str) -> str:
    """Return a hint for a key that nobody knows."""
    import difflib  # for the rare reader who needs it

    for keys in (KEYS, _folded.values()):
        spelling = {known.casefold(): known for known in keys}
        near = difflib.get_close_matches(key.casefold()[:100], spelling, n=1)
        if near:
            return f"did you mean {spelling[near[0]]}?"
    return "nobody reads it"


def _shown(value: object) -> str:
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    return ", ".join(str(item)[:200] for item in items) or "an empty list"


def _names(value: object) -> object:
    """Turn Multus's comma list into a list."""
    if not isinstance(value, str):
        return value
    return [name.strip() for name in value.split(",") if name.strip()]


def _level(value: object) -> object:
    """Turn Multus's levels, in any case, into ours."""
    if not isinstance(value, str):
        return value
    return _levels.get(value.lower(), value.lower())


def _path(value: object) -> object:
    """Turn a path of Multus's container into the node's."""
    if isinstance(value, str) and value.startswith(HOST_PREFIX):
        return value[len(HOST_PREFIX) - 1 :]
    return value


def _paths(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [_path(item) for item in cast("list[object]", value)]


_turns: Mapping[str, Callable[[object], object]] = {
    "globalNamespaces": _names,
    "logLevel": _level,
    "clusterNetwork": _path,
    "defaultNetworks": _paths,
    "readinessIndicatorFile": _path,
    "confDir": _path,
    "binDir": _path,
    "cniDir": _path,
}
"""How Multus's forms of our keys become ours."""
