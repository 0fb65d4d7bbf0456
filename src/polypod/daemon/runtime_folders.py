"""Which CNI folders a daemon works with: those it was told, the rest from the container runtime.

The runtime is asked once, when the daemon starts, and only if its socket was named. Where it does
not answer, the usual folders are taken and the log says so; where it looks elsewhere than we were
told to, the log says that too: it is what a missing or wrong mount looks like.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from polypod.errors import PolypodError
from polypod.kube import cri
from polypod.kube.cri import CniFolders

log = logging.getLogger("polypod.daemon")
USUAL = CniFolders(conf=Path("/etc/cni/net.d"), plugins=(Path("/opt/cni/bin"),))
_HINT = (
    "mount the runtime's folder at its own path: `polypod install render --cni-conf --cni-bin`,"
    " and give --conf-dir, --shim-dir and --path the same"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """What was chosen; empty is left to the runtime."""

    conf: Path | None = None
    """Where our configuration is kept."""
    shim: Path | None = None
    """Where the shim is kept."""
    primary: Path | None = None
    """Where the primary's configuration is looked for."""
    path: tuple[str, ...] = ()
    """Where foreign plugins are looked for."""


def settle(chosen: Folders, runtime: Path | None) -> Folders:
    """Return the folders to work with; a runtime that is not named is not asked."""
    if runtime is None:
        path = chosen.path or tuple(str(folder) for folder in USUAL.plugins)
        return replace(chosen, primary=chosen.conf, path=path)
    told = _ask(runtime)
    conf, shim = chosen.conf, chosen.shim
    if (conf is None) != (shim is None):  # they belong together: the other one is the runtime's
        conf, shim = conf or told.conf, shim or told.plugins[0]
    settled = Folders(
        conf=conf,
        shim=shim,
        primary=conf or told.conf,
        path=chosen.path or tuple(str(folder) for folder in told.plugins),
    )
    _compare(settled, told)
    return settled


def _ask(runtime: Path) -> CniFolders:
    try:
        told = cri.cni_folders(runtime)
    except PolypodError as error:
        log.warning(
            "runtime.silent socket=%s cause=%r conf=%s plugins=%s",
            runtime,
            error.cause,
            USUAL.conf,
            USUAL.plugins[0],
        )
        return USUAL
    plugins = ":".join(str(folder) for folder in told.plugins)
    log.info("runtime.folders socket=%s conf=%s plugins=%s", runtime, told.conf, plugins)
    return told


def _compare(settled: Folders, told: CniFolders) -> None:
    """Say where the runtime looks elsewhere, and which of the folders cannot be seen from here."""
    own = [settled.primary] if settled.primary else []
    _say_other("configuration", own, [told.conf] if told.conf else [])
    _say_other("shim", [settled.shim] if settled.shim else [], list(told.plugins))
    for folder in (settled.primary, settled.shim):
        if folder is not None and not folder.is_dir():
            log.warning("runtime.folder_missing folder=%s hint=%r", folder, _HINT)


def _say_other(what: str, own: list[Path], told: list[Path]) -> None:
    """Warn when our folder is none of the runtime's."""
    if own and told and own[0] not in told:
        where = ":".join(str(folder) for folder in told)
        log.warning(
            "runtime.folder_differs what=%s ours=%s runtime=%s hint=%r", what, own[0], where, _HINT
        )
