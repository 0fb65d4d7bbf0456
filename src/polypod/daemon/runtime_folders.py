"""Which CNI folders a daemon works with: those it was told, the rest from the container runtime.

The runtime is asked once, if its socket was named: before anything else when a folder is missing,
a while after the start when it is only to be compared. What it said is kept: a runtime may ask its
plugins, and so us, before it answers, and does not while we start. One that never answered leaves
the usual folders, and the log says so; where it looks elsewhere than we were told to, the log says
that too: it is what a missing or wrong mount looks like.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from polypod.errors import PolypodError
from polypod.kube import cri
from polypod.kube.cri import CniFolders
from polypod.store import files

log = logging.getLogger("polypod.daemon")
USUAL = CniFolders(conf=Path("/etc/cni/net.d"), plugins=(Path("/opt/cni/bin"),))
LATER_S = 3.0
"""What is only compared waits until pods are served."""
PATIENCE_S = 10.0
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

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is left to the runtime."""
        has_both = self.conf is not None and self.shim is not None
        has_primary = (self.conf is None and self.shim is None) and self.primary is not None
        return bool(self.path) and (has_both or has_primary)


class _Kept(msgspec.Struct):
    socket: str
    conf: str
    plugins: tuple[str, ...]


def settle(chosen: Folders, runtime: Path, memory: Path) -> Folders:
    """Return the folders to work with; `memory` is the file that keeps what the runtime said."""
    if chosen.is_whole:
        later = threading.Timer(LATER_S, compare, (chosen, runtime))
        later.daemon = True
        later.start()
        return replace(chosen, primary=chosen.primary or chosen.conf)
    told = _ask(runtime, memory)
    conf, shim = chosen.conf, chosen.shim
    if (conf is None) != (shim is None):  # they belong together: the other one is the runtime's
        conf, shim = conf or told.conf, shim or told.plugins[0]
    settled = Folders(
        conf=conf,
        shim=shim,
        primary=chosen.primary or conf or told.conf,
        path=chosen.path or tuple(str(folder) for folder in told.plugins),
    )
    _compare(settled, told)
    return settled


def compare(chosen: Folders, runtime: Path) -> None:
    """Say where the runtime looks elsewhere than in the chosen folders."""
    try:
        told = cri.cni_folders(runtime, timeout_s=PATIENCE_S)
    except PolypodError as error:
        log.warning("runtime.silent socket=%s cause=%r", runtime, error.cause)
        return
    _note(runtime, told)
    _compare(chosen, told)


def _ask(runtime: Path, memory: Path) -> CniFolders:
    try:
        told = cri.cni_folders(runtime)
    except PolypodError as error:
        known = _recall(runtime, memory)
        told = known or USUAL
        log.warning(
            "runtime.silent socket=%s cause=%r conf=%s plugins=%s from=%r",
            runtime,
            error.cause,
            told.conf,
            _joined(told.plugins),
            "an earlier answer" if known else "common habit",
        )
        return told
    _note(runtime, told)
    _remember(runtime, told, memory)
    return told


def _note(runtime: Path, told: CniFolders) -> None:
    plugins = _joined(told.plugins)
    log.info("runtime.folders socket=%s conf=%s plugins=%s", runtime, told.conf, plugins)


def _joined(folders: tuple[Path, ...]) -> str:
    return ":".join(str(folder) for folder in folders)


def _remember(runtime: Path, told: CniFolders, memory: Path) -> None:
    kept = _Kept(str(runtime), str(told.conf), tuple(str(folder) for folder in told.plugins))
    with contextlib.suppress(OSError, PolypodError):  # the next start asks again
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomically(memory, msgspec.json.encode(kept))


def _recall(runtime: Path, memory: Path) -> CniFolders | None:
    try:
        kept = msgspec.json.decode(memory.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if kept.socket != str(runtime) or not kept.plugins:
        return None
    return CniFolders(conf=Path(kept.conf), plugins=tuple(map(Path, kept.plugins)))


def _compare(settled: Folders, told: CniFolders) -> None:
    """Say where the runtime looks elsewhere, and which of the folders cannot be seen from here."""
    if told.conf is not None:
        _say_other("configuration", settled.conf, (told.conf,))
    _say_other("shim", settled.shim, told.plugins)
    for folder in dict.fromkeys((settled.conf, settled.primary, settled.shim)):
        if folder is not None and not folder.is_dir():
            log.warning("runtime.folder_missing folder=%s hint=%r", folder, _HINT)


def _say_other(what: str, ours: Path | None, told: tuple[Path, ...]) -> None:
    """Warn when our folder is none of the runtime's."""
    if ours is not None and ours not in told:
        log.warning(
            "runtime.folder_differs what=%s ours=%s runtime=%s hint=%r",
            what,
            ours,
            _joined(told),
            _HINT,
        )
