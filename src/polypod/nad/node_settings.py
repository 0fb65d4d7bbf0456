"""What an operator decides for the pods of a node: the keys of the daemon's configuration file.

Keys are found as Go's decoder finds them, whatever their case; null is absent. Keys of Multus are
taken as well (multus_settings.py); what nobody knows is named in a note, never an error, so that a
file of tomorrow can be read today. A value of the wrong type is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta

from polypod.errors import InvalidConfigError

MAX_BYTES = 1 << 20
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
Namespace = Annotated[str, Meta(pattern="^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Path = Annotated[str, Meta(pattern=r"^/[^\x00]*$")]
MaybePath = Annotated[str, Meta(pattern=r"^(/[^\x00]*)?$")]


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The daemon's configuration file."""

    cluster_network: Annotated[
        str,
        Meta(
            description="The network of every pod's first interface: the name of a definition in"
            " multusNamespace, the name of a configuration in confDir, or the path of a file or a"
            " folder. Empty: the primary that is found in the node's CNI folder."
        ),
    ] = ""
    default_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Further networks of every pod outside systemNamespaces, named as"
            " clusterNetwork is: net1, net2 and so on, before the pod's own."
        ),
    ] = ()
    system_namespaces: Annotated[
        tuple[Namespace, ...],
        Meta(description="Namespaces whose pods get no defaultNetworks."),
    ] = ("kube-system",)
    multus_namespace: Annotated[
        Namespace,
        Meta(
            description="Where the definitions lie that clusterNetwork, defaultNetworks and the"
            " annotation v1.multus-cni.io/default-network name."
        ),
    ] = "kube-system"
    namespace_isolation: Annotated[
        bool,
        Meta(
            description="Let pods use only definitions of their own namespace and of"
            " globalNamespaces."
        ),
    ] = True
    global_namespaces: Annotated[
        tuple[Namespace, ...],
        Meta(description="Namespaces whose definitions all pods may use."),
    ] = ("default",)
    readiness_indicator_file: Annotated[
        MaybePath,
        Meta(
            description="A file that the primary writes once it can attach pods: the node is not"
            " ready, and pods wait, until it is there. Empty: do not wait."
        ),
    ] = ""
    auxiliary_cni_chain_name: Annotated[
        str,
        Meta(
            pattern="^([a-zA-Z0-9][a-zA-Z0-9_.-]*)?$",
            description="A folder of this name beside the primary's configuration: its *.conf are"
            " run as one more chain for every pod, after everything else. Empty: none.",
        ),
    ] = msgspec.field(default="", name="auxiliaryCNIChainName")
    conf_dir: Annotated[Path, Meta(description="Where configurations lie that are only named.")] = (
        "/etc/cni/multus/net.d"
    )
    bin_dir: Annotated[
        str, Meta(description="Where plugins of other projects lie; several: colon separated.")
    ] = "/opt/cni/bin"
    cni_dir: Annotated[
        Path,
        Meta(description="Where Multus kept what it had attached before a switch; read by DEL."),
    ] = "/var/lib/cni/multus"
    strict_status: Annotated[
        bool,
        Meta(
            description="Let an ADD wait until its network-status is written, and fail when it"
            " cannot be within ten seconds. Otherwise it is written in the background."
        ),
    ] = False
    last_known: Annotated[
        bool,
        Meta(
            description="Keep the node's pods and the definitions on disk, so that a daemon which"
            " starts while the API server is away can attach the very pods that it knew."
        ),
    ] = True
    log_level: Annotated[LogLevel, Meta(description="How much the log says.")] = "info"


class Verdict(Enum):
    """What became of a key that is not simply one of ours."""

    TRANSLATED = "translated"
    WITHOUT_EFFECT = "without effect"
    """Nothing is lost: it is always so here, or decided elsewhere."""
    UNSUPPORTED = "unsupported"
    """What it asked for is not done."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a reader of the file should know of one key."""

    key: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file that was read."""

    settings: NodeSettings
    given: frozenset[str] = frozenset()
    """The keys that the file has, as they are spelled here."""
    notes: tuple[Note, ...] = ()


KEYS: Mapping[str, msgspec.structs.FieldInfo] = {
    field.encode_name: field for field in msgspec.structs.fields(NodeSettings)
}
"""Our keys as they are spelled."""
_folded = {key.casefold(): key for key in KEYS}
_IGNORED = frozenset({"$schema"})


def spelled(key: str) -> str:
    """Return a key as it is spelled here, empty when it is none of ours."""
    return _folded.get(key.casefold(), "")


def build(given: Mapping[str, object], where: str) -> NodeSettings:
    """Return the settings of values by key, each as it is spelled here.

    Raises:
        InvalidConfigError: a value of the wrong type, with the file and the key.
    """
    values = {
        KEYS[key].name: _value(key, value, where)
        for key, value in given.items()
        if value is not None
    }
    return msgspec.structs.replace(NodeSettings(), **values)


def _value(key: str, value: object, where: str) -> object:
    try:
        return cast("object", msgspec.convert(value, KEYS[key].type))
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        raise InvalidConfigError(
            f"{where}: {key}{place.rstrip('`')}: {text}",
            hint="docs/reference/settings.md has every key and its type",
        ) from error


def given(reading: Reading) -> dict[str, object]:
    """Return what a file has, in our spelling and our form."""
    return {
        key: msgspec.to_builtins(getattr(reading.settings, field.name))
        for key, field in KEYS.items()
        if key in reading.given
    }


def ignored(key: str) -> bool:
    """Tell whether a key is for editors, not for us."""
    return key in _IGNORED


def schema() -> dict[str, object]:
    """Return the JSON schema of the file."""
    found = msgspec.json.schema(NodeSettings)
    settings = cast("dict[str, object]", found["$defs"]["NodeSettings"])
    whole: dict[str, object] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **{key: value for key, value in settings.items() if key != "required"},
        "title": "Polypod's daemon configuration file",
        "properties": {
            "$schema": {"type": "string"},
            **cast("dict[str, object]", settings["properties"]),
        },
        "additionalProperties": False,
    }
    return cast("dict[str, object]", msgspec.json.decode(msgspec.json.encode(whole)))
