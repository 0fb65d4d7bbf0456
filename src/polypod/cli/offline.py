"""Doors for verbs that work without the daemon: the same real ones, over folders that are given."""

from __future__ import annotations

from pathlib import Path

from polypod.daemon.app import STATE, Options, open_doors
from polypod.engine.doors import Doors


def doors(
    *,
    manifests: Path | None = None,
    primary: Path | None = None,
    state: Path = STATE,
    status: Path | None = None,
    data_root: Path | None = None,
    path: str = "/opt/cni/bin",
) -> Doors:
    """Return real doors; the state folder is made if it is not there."""
    return open_doors(
        Options(
            manifests=manifests,
            primary=primary,
            state=state,
            status=status,
            data_root=data_root,
            path=tuple(part for part in path.split(":") if part),
        )
    )
