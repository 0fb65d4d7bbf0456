"""docs/reference/configuration.md: the daemon's options, the shim's variables, the limits."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path

from docs.generate import cli
from docs.generate.markdown import cell, code, page, table

from polypod.daemon import dispatch
from polypod.daemon.options import THREADS

SHIM = Path(__file__).resolve().parents[2] / "shim" / "shim.c"
VARIABLES: Mapping[str, tuple[str, str]] = {
    "POLYPOD_SOCKET": ("`/run/polypod/polypod.sock`", "the daemon's socket"),
    "POLYPOD_SPOOL": (
        "`/var/lib/polypod/spool`",
        "where a DEL is kept while no daemon serves; `--spool` of the daemon names the same folder",
    ),
    "POLYPOD_WAIT_MS": (
        "20000 for ADD, CHECK and GC, 5000 for STATUS",
        "how long to wait for a daemon that is away; DEL never waits, it goes into the spool",
    ),
    "POLYPOD_TIMEOUT_MS": ("180000", "how long to wait for the answer, from start to end"),
}
"""What the shim reads from its environment: default and meaning."""
LIMITS: tuple[tuple[str, str, str, str], ...] = (
    ("polypod.cni.config", "STDIN_LIMIT", "bytes", "configuration on stdin"),
    ("polypod.cni.request", "VARIABLE_LIMIT", "bytes", "one CNI_* variable"),
    ("polypod.cni.request", "CONTAINER_ID_LIMIT", "characters", "container id"),
    ("polypod.cni.request", "IFNAME_LIMIT", "bytes", "interface name"),
    ("polypod.nad.selection", "MAX_BYTES", "bytes", "networks annotation"),
    ("polypod.nad.selection", "MAX_NETWORKS", "networks", "networks of one pod"),
    ("polypod.nad.definition", "MAX_BYTES", "bytes", "`spec.config` of a definition"),
    ("polypod.kube.documents", "MAX_BYTES", "bytes", "one manifest file"),
    ("polypod.daemon.shim_foreign", "MAX_OUTPUT", "bytes", "output of a foreign plugin"),
    ("polypod.daemon.shim_foreign", "TIMEOUT_MS", "ms", "run of a foreign plugin"),
    ("polypod.daemon.server", "BACKLOG", "connections", "connections that wait to be accepted"),
)
FILES: tuple[tuple[str, str], ...] = (
    (
        "`STATE/journal.db`",
        "the journal (SQLite, WAL); moved aside as `journal.db.damaged-N` if damaged",
    ),
    ("`STATE/lock`", "held by the daemon that owns the folder"),
    ("`STATE/spool/`", "DELs that the shim kept; damaged entries are put into `bad/`"),
    (
        "`/var/lib/cni/networks/NETWORK/`",
        "host-local's leases, as the reference has them; `--data-root DIR`: `DIR/networks/`",
    ),
    ("`/run/cni/tuning/`", "what tuning puts back on DEL"),
    (
        "`/etc/cni/tuning/allowlist.conf`",
        "if there: the sysctls that tuning may set, one pattern a line",
    ),
    (
        "`PRIMARY_FOLDER/NAME/*.conf`",
        "plugins chained to the primary `.conflist` NAME, unless it has `loadOnlyInlinedPlugins`",
    ),
    (
        "`STATUS/NAMESPACE/POD.json`",
        "what the annotation `k8s.v1.cni.cncf.io/network-status` would hold",
    ),
)
LEAD = """
The daemon is configured by its command line and, for what concerns pods and their networks, by a
[file of settings](settings.md); networks are configured by `NetworkAttachmentDefinition` objects
and CNI configuration files, which stay as they are. The [plugins page](plugins.md) has the keys of
each network type.
"""
MANIFESTS = """
## Manifests

`--manifests DIR` names a folder of `.yaml`, `.yml` and `.json` files: `Pod` and
`NetworkAttachmentDefinition` objects, several documents a file, and `List` objects. Only names,
namespaces, UIDs, annotations and `spec.config` are read. The folder is looked at again with every
question, so an edit counts for the next pod. Where two files describe the same object, the last in
alphabetical order wins. A file that cannot be read is reported in the log with its name and line;
what was good in it before stays in force, and other files are not affected.

## Files on the node
"""


def concurrency() -> list[tuple[str, str]]:
    """Return how many calls run at once, and how many may wait."""
    shares = dispatch.limits(THREADS)
    waiting = inspect.signature(dispatch.Dispatcher).parameters
    size = waiting["parked_bytes"].default >> 20
    return [
        (f"calls of pods that run at once, with {THREADS} threads", str(shares.pods)),
        ("ADDs among them", str(shares.adds)),
        ("calls by a plugin's name that run another plugin", str(shares.nesting)),
        ("calls that wait", f"{waiting['parked_limit'].default}, and {size} MiB of them"),
    ]


def variables() -> set[str]:
    """Return the POLYPOD_* variables that the shim reads."""
    return set(re.findall(r'"(POLYPOD_[A-Z_]+)"', SHIM.read_text(encoding="utf-8")))


def render() -> str:
    """Return the page.

    Raises:
        ValueError: the shim reads a variable that is not described here, or the reverse.
    """
    if variables() != VARIABLES.keys():
        raise ValueError(f"the shim reads {sorted(variables())}, described: {sorted(VARIABLES)}")
    shim = [(code(name), default, cell(told)) for name, (default, told) in VARIABLES.items()]
    limits = [(told, _shown(module, name, unit)) for module, name, unit, told in LIMITS]
    limits += concurrency()
    return page(
        "Configuration",
        LEAD,
        "## The daemon\n",
        table(("Option", "Default", "Meaning"), cli.daemon_rows()),
        "## The shim\n\nThe shim has no file of its own; its environment is the runtime's.\n",
        table(("Variable", "Default", "Meaning"), shim),
        MANIFESTS.lstrip(),
        table(("Path", "What it is"), FILES),
        "## Limits\n\nFixed sizes and times, so that bad input stays cheap. What is above one is "
        "refused with an error.\n",
        table(("What", "At most"), limits),
    )


def _shown(module: str, name: str, unit: str) -> str:
    value = getattr(importlib.import_module(module), name)
    if unit == "bytes" and value % (1 << 20) == 0:
        return f"{value >> 20} MiB"
    if unit == "bytes" and value % (1 << 10) == 0:
        return f"{value >> 10} KiB"
    return f"{value // 1000} s" if unit == "ms" else f"{value} {unit}"
